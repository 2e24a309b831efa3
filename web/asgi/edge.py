"""The outermost layer: every request gets a trace, a log line, security headers, and never a bare traceback.

Requests for another server's name go no further: see `web.request.hosts`.

Pure ASGI: Starlette's BaseHTTPMiddleware costs a task and two queues a request.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.request.context import RequestContext
from web.request.hosts import Hosts
from web.request.problems import Problem
from web.request.public import inner


class Edge:
    """Wraps the whole application; see the module.

    Args:
        app: What answers.
        hosts: The names by which it may be asked for.
        prefix: The path of the public URL, which a proxy may have passed on.
    """

    def __init__(self, app: ASGIApp, *, hosts: Hosts, prefix: str = "") -> None:
        self.app = app
        self.hosts = hosts
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever breaks becomes an answer 500."""
        method = scope["method"]
        scope = inner(scope, self.prefix)
        if method == "HEAD":  # a copy: the server goes by its own
            scope = {**scope, "method": "GET"}
        context = RequestContext(scope, send, scope["app"].state.tutti.proxies, method)
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
        if context.only_head:
            await _head(self.app, scope, receive, context)
        else:
            await self.app(scope, receive, context.send)


async def _head(app: ASGIApp, scope: Scope, receive: Receive, context: RequestContext) -> None:
    """Answer HEAD as GET is answered, without its body (RFC 9110, 9.3.2), wherever GET works.

    What streams is told that the client has gone, so that it ends at once.
    """
    ended = False

    async def head(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.start":
            await context.send(message)
        elif not ended:
            ended = True
            await context.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def nothing_more() -> Message:
        return {"type": "http.disconnect"} if ended else await receive()

    await app(scope, nothing_more, head)
