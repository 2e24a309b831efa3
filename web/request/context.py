"""One request on its way through: who sent it, its trace, its answer, and the line that it leaves."""

from __future__ import annotations

import random
import re
import time
import traceback
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Scope, Send

from observability import metrics
from observability.logging import get_logger
from observability.tracing import accept_or_new
from web.request.client import Proxies, address
from web.request.fields import fields, state_of
from web.request.http import CONTENT_SECURITY_POLICY, SECURITY_HEADERS
from web.request.problems import internal

log = get_logger()

REQUEST_ID = re.compile(r"^[A-Za-z0-9_-]{8,64}$")
_RAW_SECURITY = [
    (name.encode(), value.encode())
    for name, value in {"content-security-policy": CONTENT_SECURITY_POLICY, **SECURITY_HEADERS}.items()
]
_SECURITY_NAMES = frozenset(name for name, _ in _RAW_SECURITY)
LABELS = 4096
ROUTE = "tutti.route"  # where the short way leaves the pattern of its route
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestContext:
    """What is known of one request while it is served; kept in its scope's state."""

    def __init__(self, scope: Scope, send: Send, proxies: Proxies, method: str) -> None:
        headers = fields(scope)
        self.method = method
        self.only_head = method == "HEAD"
        self._scope, self._send, self._headers = scope, send, headers
        self._began = time.perf_counter_ns()
        self._status, self._bytes = 0, 0
        self._error: Exception | None = None
        given = headers.get("x-request-id", "")
        self.request_id = given if given and REQUEST_ID.match(given) else _new_id()
        self.traceparent = accept_or_new(headers.get("traceparent"), self.request_id)
        self.trace_id = self.traceparent[3:35]  # it is valid and of version 00
        self.address = address(scope, proxies)
        self.added: list[tuple[bytes, bytes]] = []
        state_of(scope)["context"] = self

    def add_header(self, name: str, value: str) -> None:
        """Add a header to the answer, whichever handler makes it."""
        self.added.append((name.encode(), value.encode()))

    async def send(self, message: Message) -> None:
        """Pass one message of the answer on, with our headers."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = self._with_ours(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self._bytes += len(message.get("body", b""))
        await self._send(message)

    def _with_ours(self, headers: Any) -> list[tuple[bytes, bytes]]:
        given = list(headers)
        named = _SECURITY_NAMES.intersection([name.lower() for name, _ in given])
        ours = [pair for pair in _RAW_SECURITY if pair[0] not in named] if named else _RAW_SECURITY
        ids = [(b"x-request-id", self.request_id.encode()), (b"x-trace-id", self.trace_id.encode())]
        return [*given, *ours, *ids, *self.added]

    async def broke(self, error: Exception) -> None:
        """Answer 500 if nothing was sent yet; the traceback goes to the log."""
        self._error = error
        log.error(
            "http.error",
            message=f"{type(error).__name__} while answering {self.method} {self.path}",
            trace={"id": self.trace_id},
            error={
                "type": type(error).__name__,
                "stack_trace": "".join(traceback.format_exception(error)),
            },
        )
        if self._status:
            return  # the answer had begun; closing the connection is all that is left
        response = internal().response(path=self.path, trace_id=self.trace_id)
        if self.only_head:
            response.body = b""
        await response(self._scope, _no_body, self.send)

    @property
    def path(self) -> str:
        """The path, without what cannot be written as UTF-8."""
        return str(self._scope["path"]).encode("utf-8", "replace").decode()

    def note(self) -> None:
        """Leave the line http.request, and count. The query is left out: it may be signed."""
        took = time.perf_counter_ns() - self._began
        route = _route_of(self._scope)
        method = self.method if self.method in METHODS else "other"
        _requests(method, route, self._status or 499).inc()
        _seconds(route).observe(took / 1e9)
        agent = self._headers.get("user-agent")
        log.info(
            "http.request",
            message=f"{self.method} {self.path} {self._status or 499}",
            event={
                "outcome": "success" if 0 < self._status < 500 and self._error is None else "failure",
                "duration": took,
            },
            http={
                "request": {"id": self.request_id, "method": self.method},
                "response": {"status_code": self._status or 499, "body": {"bytes": self._bytes}},
            },
            url={"path": self.path},
            source={"ip": self.address},
            trace={"id": self.trace_id},
            **({"user_agent": {"original": agent[:512]}} if agent else {}),
        )


def context_of(request: Request) -> RequestContext:
    """The context of the request, which the edge made."""
    context: RequestContext = state_of(request.scope)["context"]
    return context


_requests = lru_cache(LABELS)(metrics.http_requests.labels)  # finding one costs more than counting
_seconds = lru_cache(LABELS)(metrics.http_seconds.labels)


def _new_id() -> str:
    """It has to be unlike others, not beyond guessing, and `secrets` would ask the kernel each time."""
    return f"{random.getrandbits(128):032x}"


def _route_of(scope: Scope) -> str:
    """The route's pattern, of which there are few, as a label; addresses that people invent are `none`."""
    known = scope.get(ROUTE)
    if known is not None:
        return str(known)
    if str(scope["path"]).startswith("/static/"):
        return "/static"
    if "endpoint" not in scope:
        return "none"
    if "route" in scope:  # FastAPI's own
        return str(scope["route"].path)
    patterns: Mapping[Any, str] = _patterns(scope["app"])
    return patterns.get(scope["endpoint"], "none")


@lru_cache(8)
def _patterns(app: Any) -> Mapping[Any, str]:
    """The pattern of each plain route; of several with one endpoint the first."""
    plain = [route for route in reversed(app.routes) if isinstance(route, Route)]
    return {route.endpoint: route.path for route in plain}


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
