"""Keys, enforced for every address at once, so that no new one is forgotten; only where keys are required.

nginx asks `/auth/key_valid` before it passes a request on; this holds where people come without nginx too.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from web.pages import errors
from web.request.auth import CHALLENGE, key_needed, key_of, require_scope
from web.request.http import KEY_IN_BODY
from web.request.problems import Problem
from web.request.refusals import refusals
from web.request.state import app_state

# Songs' names hold 80 random bits (and links may be signed); Flower and metrics have their own rule.
OPEN = ("/static/", "/problems/", "/output/", "/-/shared/", "/flower", "/auth/")
OPEN_EXACTLY = frozenset({"/livez", "/readyz", "/health", "/metrics", "/favicon.ico", "/login", "/logout"})
JOBS_ENTER = ("/v1/jobs", "/v1/uploads", "/v1/chat/", "/generate", "/release_task", "/songs")


class Guard:
    """Lets a request through if it shows a valid key that allows what it asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            await _check(request)
        except Problem as problem:
            await _refusal(request, problem)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in OPEN_EXACTLY or path in KEY_IN_BODY or path.startswith(OPEN)


async def _check(request: Request) -> None:
    if request.method == "POST" and request.scope["path"].startswith(JOBS_ENTER):
        with refusals(request):
            await _require(request)
    else:
        await _require(request)


async def _require(request: Request) -> None:
    key = await key_of(request)
    if key is None:
        raise key_needed()
    require_scope(key, request.method)


def _refusal(request: Request, problem: Problem) -> Response:
    """The problem; a person who lacks a key is asked for it."""
    if problem.kind.status == 401 and request.method in {"GET", "HEAD"} and errors.is_person(request):
        login = app_state(request).public.path("/login")
        return RedirectResponse(f"{login}?next={quote(request.scope['path'])}", 303)
    return errors.answer(request, problem)


async def key_valid(request: Request) -> Response:
    """`/auth/key_valid`: 204 with the key's id, or 401. nginx asks here."""
    key = await key_of(request)
    if key is None:
        return Response(status_code=401, headers=CHALLENGE)
    return Response(status_code=204, headers={"x-tutti-key-id": key.id, "cache-control": "no-store"})
