"""The short way for what nearly all requests ask: a new job, how one is doing, and its progress.

FastAPI's own layers, its router and its routes cost more than these answers themselves. All else goes on to
FastAPI, whose twins of these routes describe them in the schema and answer every other method.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tasks.jobs import JOB_ID
from web.api import jobs
from web.pages import errors
from web.request.context import ROUTE
from web.request.problems import Problem

JOBS = "/v1/jobs"
ONE = f"{JOBS}/"
OF_ONE = {"": jobs.show, "/events": jobs.follow}


class ShortWay:
    """Answers the three itself; see the module."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass it on."""
        handler = _handler(scope) if scope["type"] == "http" else None
        if handler is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await handler(request)
        except Problem as problem:
            response = errors.answer(request, problem)
        await response(scope, receive, send)


def _handler(scope: Scope) -> Callable[[Request], Awaitable[Response]] | None:
    path: str = scope["path"]
    if scope["method"] == "POST":
        if path != JOBS:
            return None
        scope[ROUTE] = JOBS
        return jobs.create
    if scope["method"] != "GET" or not path.startswith(ONE):
        return None
    job_id, slash, rest = path[len(ONE) :].partition("/")
    if slash + rest not in OF_ONE or not JOB_ID.fullmatch(job_id):
        return None
    scope["path_params"] = {"job_id": job_id}
    scope[ROUTE] = f"{ONE}{{job_id}}{slash}{rest}"
    return partial(OF_ONE[slash + rest], job_id=job_id)
