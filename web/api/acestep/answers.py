"""How ACE-Step's server answers: an envelope around the data, and errors that all its clients read.

Its clients read an error as `detail` (HTTP status) or as `error` and `code` (envelope). A problem document
here carries all three.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from web.api.jobs import answer
from web.request.problems import Problem


class Wrapped(BaseModel):
    """Their envelope around every answer."""

    data: Any
    code: int = Field(200, description="As the HTTP status, or 400 where the request could not be followed.")
    error: str | None = None
    timestamp: int = Field(description="Milliseconds since 1970.")
    extra: dict[str, Any] | None = Field(
        None, description="`notes`: what was left aside or changed, in words."
    )


def wrapped(data: Any, notes: list[str] | None = None) -> Response:
    """An answer in their envelope."""
    return answer(
        {
            "data": data,
            "code": 200,
            "error": None,
            "timestamp": time.time_ns() // 10**6,
            "extra": {"notes": notes} if notes else None,
        }
    )


def declined(why: str) -> Response:
    """What their server answers with status 200 where it does not do what was asked: `code` says it."""
    return answer(
        {"data": None, "code": 400, "error": why, "timestamp": time.time_ns() // 10**6, "extra": None}
    )


class Route(APIRoute):
    """A route whose problems say `code` and `error` too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with every problem's document grown by what their clients read."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except Problem as problem:
                known = {"data": None, "code": problem.kind.status, "error": problem.detail}
                problem.extra = known | problem.extra
                raise

        return handle


def body_of(example: dict[str, Any], *, forms: bool = False) -> dict[str, Any]:
    """The description of a body that is taken leniently: any object, with an example."""
    schema = {"schema": {"type": "object"}, "examples": {"simple": {"value": example}}}
    content = {"application/json": schema}
    if forms:
        content["application/x-www-form-urlencoded"] = {"schema": {"type": "object"}}
        content["multipart/form-data"] = {"schema": {"type": "object"}}
    return {"requestBody": {"required": True, "content": content}}
