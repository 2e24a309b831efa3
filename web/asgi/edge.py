"""The outermost layer: every request gets a trace, a log line, security headers, and never a bare traceback.

Pure ASGI: Starlette's BaseHTTPMiddleware costs a task and two queues a request.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from web.request.client import Networks
from web.request.context import RequestContext


class Edge:
    """Wraps the whole application; see the module."""

    def __init__(self, app: ASGIApp, *, trusted: Networks = ()) -> None:
        self.app = app
        self.trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever breaks becomes an answer 500."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        context = RequestContext(scope, send, self.trusted)
        try:
            await self.app(scope, receive, context.send)
        except Exception as error:
            await context.broke(error)
        finally:
            context.note()
