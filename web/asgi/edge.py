"""The outermost layer: every request gets a trace, a log line, security headers, and never a bare traceback.

Requests for another server's name go no further: see `web.request.hosts`.

Pure ASGI: Starlette's BaseHTTPMiddleware costs a task and two queues a request.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from web.request.client import Networks
from web.request.context import RequestContext
from web.request.hosts import Hosts
from web.request.problems import Problem


class Edge:
    """Wraps the whole application; see the module."""

    def __init__(self, app: ASGIApp, *, hosts: Hosts, trusted: Networks = ()) -> None:
        self.app = app
        self.hosts = hosts
        self.trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever breaks becomes an answer 500."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        context = RequestContext(scope, send, self.trusted)
        try:
            await self._serve(scope, receive, context)
        except Exception as error:
            await context.broke(error)
        finally:
            context.note()

    async def _serve(self, scope: Scope, receive: Receive, context: RequestContext) -> None:
        try:
            self.hosts.check(scope)
        except Problem as problem:
            response = problem.response(path=context.path, trace_id=context.trace_id)
            await response(scope, receive, context.send)
            return
        await self.app(scope, receive, context.send)
