"""The short way for what nearly all requests ask: a new job, how one is doing, and its progress.

FastAPI's own layers, its router and its routes cost more than these answers themselves: `bench short_way`
says how much. All else goes on to FastAPI, whose twins of these routes describe them in the schema and answer
every other method.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from web.api import jobs
from web.pages import errors
from web.request.context import ROUTE
from web.request.problems import Problem

TABLE: Final = (
    Route("/v1/jobs", jobs.create, methods=["POST"]),
    Route("/v1/jobs/{job_id}", jobs.show, methods=["GET"]),
    Route("/v1/jobs/{job_id}/events", jobs.follow, methods=["GET"]),
)


class ShortWay:
    """Answers the three itself; see the module."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass it on."""
        route = _route(scope)
        if route is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await route.endpoint(request, **scope["path_params"])
        except Problem as problem:
            response = errors.answer(request, problem)
        await response(scope, receive, send)


def _route(scope: Scope) -> Route | None:
    """The route of the table, with its parameters in the scope; None where there is none."""
    for route in TABLE:
        match, found = route.matches(scope)
        if match is Match.FULL:
            scope["path_params"], scope[ROUTE] = found["path_params"], route.path
            return route
    return None
