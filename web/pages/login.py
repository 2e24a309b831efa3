"""Where a person shows a key, once; the browser then has a cookie that names it."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tasks.ledger import LedgerError
from web import client, session
from web.api import auth, body
from web.api.problems import UNAVAILABLE, Problem
from web.desk import desk_of
from web.pages.render import page


async def show(request: Request) -> Response:
    """The field for the key."""
    return page(request, "login.html", next=_within(request.query_params.get("next", "/")), fault="")


async def submit(request: Request) -> Response:
    """Take the key; go where the person wanted to go, or say that it does not hold."""
    desk, given = desk_of(request), await _read(request)
    target = _within(given.get("next", "/"))
    desk.gate.admit(client.bucket(client.address(request.scope, desk.trusted)))
    try:
        key = await asyncio.to_thread(desk.keyring.check, given.get("key", "").strip())
    except LedgerError as error:
        raise Problem(UNAVAILABLE, "Keys cannot be checked now; try again.") from error
    if key is None:
        fault = "This key does not hold: it may be misspelt, revoked or too old."
        return page(request, "login.html", 401, next=target, fault=fault)
    response = RedirectResponse(target, 303)
    auth.remember(response, key, desk.seal, secure=session.is_secure(request))
    return response


async def leave(request: Request) -> Response:
    """Forget the key."""
    await _read(request)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(auth.COOKIE, httponly=True, samesite="lax")
    return response


async def _read(request: Request) -> dict[str, str]:
    session.refuse_foreign_site(request)
    seal = desk_of(request).seal
    given = await body.read_form(request)
    session.require_token(session.current(request, seal), given.get("token", ""), seal)
    return given


def _within(target: str) -> str:
    """A path of ours: an address elsewhere would make this page a trap."""
    harmless = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if harmless and target.isprintable() else "/"
