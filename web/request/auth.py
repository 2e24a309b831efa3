"""Who asks: a key, a browser that has shown one, a browser's session, or else an address."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from tasks.jobs import Job
from tasks.ledger import LedgerError, Quota
from tasks.security.keys import Key, Scope
from web.request import client, session
from web.request.fields import cookie_name, cookies, fields, state_of
from web.request.problems import FORBIDDEN, UNAUTHORIZED, UNAVAILABLE, Problem
from web.request.signer import Signer
from web.request.state import app_state

COOKIE = "tutti_key"
MONTH = 30 * 86_400
CHALLENGE = {"www-authenticate": "Bearer"}


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose fair share a job counts to, and what they may do."""

    id: str
    address: str
    key_id: str | None = None
    quota: Quota | None = None
    admin: bool = False

    def owns(self, job: Job) -> bool:
        """Whether the job is theirs; what an address asked for belongs to whoever comes from it."""
        return self.admin or job.owner in {self.id, f"address:{client.bucket(self.address)}"}


async def identify(request: Request) -> Owner:
    """Who sends this request.

    Raises:
        Problem: 401 where a key is needed and there is no valid one.
    """
    state = app_state(request)
    address = client.address(request.scope, state.trusted)
    key = await key_of(request)
    if key is not None:
        admin = key.allows("admin")
        return Owner(id=f"key:{key.id}", address=address, key_id=key.id, quota=key.quota, admin=admin)
    if state.settings.keys_required:
        raise key_needed()
    known = session.current(request, state.signer) or state_of(request.scope).get("new_session")
    name = f"session:{known}" if known else f"address:{client.bucket(address)}"
    return Owner(id=name, address=address)


def key_needed() -> Problem:
    """The refusal of a request without a valid key."""
    return Problem(UNAUTHORIZED, "Send a valid key: 'Authorization: Bearer tutti_...'.", headers=CHALLENGE)


def require_scope(key: Key, method: str) -> None:
    """Refuse what the key's scopes do not hold.

    Raises:
        Problem: 403.
    """
    scope: Scope = "read" if method in {"GET", "HEAD", "OPTIONS"} else "jobs"
    if not key.allows(scope):
        raise Problem(FORBIDDEN, f"This key lacks the scope {scope!r}; its owner can make one that has it.")


async def key_of(request: Request) -> Key | None:
    """The valid key that this request shows, by a header or by the cookie of `/login`. Asked once a request.

    Raises:
        Problem: 503 where the ledger has to be asked and is away.
    """
    state = state_of(request.scope)
    if "key" not in state:
        state["key"] = await _find(request)
    key: Key | None = state["key"]
    return key


async def _find(request: Request) -> Key | None:
    shown = token_in(request)
    cookie = cookies(request).get(cookie_name(COOKIE, request.scope), "")
    if not shown and not cookie:
        return None
    try:
        return await asyncio.to_thread(_ask, request, shown, cookie)
    except LedgerError as error:
        headers = {"retry-after": "5"}
        raise Problem(UNAVAILABLE, "Keys cannot be checked now; try again.", headers=headers) from error


def _ask(request: Request, shown: str, cookie: str) -> Key | None:
    state = app_state(request)
    if shown:
        return state.keyring.check(shown)
    key_id = remembered(cookie, state.signer)
    return state.keyring.by_id(key_id) if key_id else None


def token_in(request: Request) -> str:
    """The key in the headers, as it was sent; a key by itself goes before one behind `Bearer`."""
    headers = fields(request.scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return headers.get("x-api-key", "") or bearer


def remember(request: Request, response: Response, key: Key, signer: Signer, *, secure: bool) -> None:
    """Let the browser show its key's id, signed, from now on; the key itself is not kept in it."""
    value = signer.sign("key", f"{key.id}-{int(time.time()) + MONTH}")
    name = cookie_name(COOKIE, request.scope)
    response.set_cookie(name, value, max_age=MONTH, httponly=True, samesite="lax", secure=secure)


def remembered(cookie: str, signer: Signer) -> str | None:
    """The id in the cookie of `remember`, or None where it is not ours or too old."""
    text = signer.open("key", cookie)
    key_id, _, expires = (text or "").partition("-")
    return key_id if expires.isdigit() and time.time() < int(expires) else None
