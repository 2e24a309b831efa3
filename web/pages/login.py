"""Where a person shows a key, once; the browser then has a cookie that names it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tasks.ledger import LedgerError
from tasks.security.keys import ApiKey
from web.pages.render import page
from web.request import auth, body, client, session
from web.request.auth import key_needed
from web.request.context import context_of
from web.request.problems import UNAVAILABLE, Problem
from web.request.refusals import note_refusal
from web.request.state import AppState, app_state


async def show(request: Request) -> Response:
    """The field for the key."""
    return page(request, "login.html", next=_within(request.query_params.get("next", "/")), fault="")


async def submit(request: Request) -> Response:
    """Take the key; go where the person wanted to go, or say that it does not hold."""
    state = app_state(request)
    with _refusals(request):
        if not client.held_in_front(request.scope, state.proxies):
            state.logins.admit(client.bucket(context_of(request).address))
        given = await _read(request)
        key = await _find(state, given.get("key", "").strip())
    target = _within(given.get("next", "/"))
    if key is None:
        note_refusal(context_of(request), "login.refused", key_needed())
        fault = "This key does not hold: it may be misspelt, revoked or too old."
        return page(request, "login.html", 401, next=target, fault=fault)
    response = RedirectResponse(state.public.path(target), 303)
    auth.remember(request, response, key)
    return response


@contextmanager
def _refusals(request: Request) -> Iterator[None]:
    """Leave a line login.refused for what is refused in the block."""
    try:
        yield
    except Problem as problem:
        note_refusal(context_of(request), "login.refused", problem)
        raise


async def _find(state: AppState, shown: str) -> ApiKey | None:
    """The key, where what is shown is one; it is compared in constant time."""
    try:
        return await asyncio.to_thread(state.keyring.check, shown)
    except LedgerError as error:
        detail = "Keys cannot be checked now; try again."
        raise Problem(UNAVAILABLE, detail, headers={"retry-after": "5"}) from error


async def leave(request: Request) -> Response:
    """Forget the key, here and in every copy of the cookie."""
    await _read(request)
    await auth.forget(request)
    response = RedirectResponse(app_state(request).public.path("/login"), 303)
    session.drop_cookie(request, response, auth.COOKIE)
    return response


async def _read(request: Request) -> dict[str, str]:
    session.refuse_foreign_site(request)
    signer = app_state(request).signer
    given = await body.read_form(request)
    session.require_token(session.current(request, signer), given.get("token", ""), signer)
    return given


def _within(target: str) -> str:
    """A path of ours: an address elsewhere would make this page a trap."""
    harmless = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if harmless and target.isprintable() else "/"
