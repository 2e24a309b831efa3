"""Who asks: a key, a browser that has shown one, a browser's session, or else an address."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from tasks.jobs import Job
from tasks.ledger import LedgerError, Quota
from tasks.security.keys import ApiKey, Login, Scope
from tasks.security.signer import Signer
from web.request import client, neighbour, session
from web.request.fields import cookie, fields, state_of, whole_number
from web.request.problems import FORBIDDEN, UNAUTHORIZED, UNAVAILABLE, Problem
from web.request.state import app_state

COOKIE = "tutti_key"
STRANGER = "stranger"  # owns what comes from nobody who could be told from others; nobody may act on that
MONTH = 30 * 86_400
CHALLENGE = {"www-authenticate": "Bearer"}


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose fair share a job counts to, and what they may do."""

    id: str
    address: str
    known: bool = True
    key_id: str | None = None
    quota: Quota | None = None
    admin: bool = False
    account: int | None = None  # another one of this machine, where they share its address with us

    @property
    def names(self) -> frozenset[str]:
        """Whose things are theirs: what an address asked for belongs to whoever comes from it."""
        told = {_of_address(self.address, self.account)} if self.known else set[str]()
        return frozenset({self.id, *told} - {STRANGER})

    def owns(self, job: Job) -> bool:
        """Whether the job is theirs."""
        return self.admin or job.owner in self.names


def _of_address(address: str, account: int | None) -> str:
    name = f"address:{client.bucket(address)}"
    return name if account is None else f"{name}/account:{account}"


async def identify(request: Request) -> Owner:
    """Who sends this request.

    Raises:
        Problem: 401 where a key is needed and there is no valid one.
    """
    state = app_state(request)
    asking = client.of(request.scope, state.proxies)
    address = asking.address
    key = await key_of(request)
    if key is not None:
        admin = key.allows("admin")
        return Owner(
            id=f"key:{key.id}",
            address=address,
            known=asking.known,
            key_id=key.id,
            quota=key.quota,
            admin=admin,
        )
    if state.settings.keys_required:
        raise key_needed()
    known = session.current(request, state.signer) or state_of(request.scope).get("new_session")
    account = neighbour.stranger(request.scope, state.proxies)
    plain = _of_address(address, account) if asking.known else STRANGER
    name = f"session:{known}" if known else plain
    return Owner(id=name, address=address, known=asking.known, account=account)


async def gets_links(request: Request, job: Job) -> bool:
    """Whether whoever asks is given links to the job's songs.

    Where links are signed and expire, that is the owner, who may pass one on: could everyone who knows the
    id have a new one, none would ever have expired.
    """
    return not app_state(request).links.are_signed or (await identify(request)).owns(job)


def key_needed() -> Problem:
    """The refusal of a request without a valid key."""
    return Problem(UNAUTHORIZED, "Send a valid key: 'Authorization: Bearer tutti_...'.", headers=CHALLENGE)


def require_scope(key: ApiKey, method: str) -> None:
    """Refuse what the key's scopes do not hold.

    Raises:
        Problem: 403.
    """
    scope: Scope = "read" if method in {"GET", "HEAD", "OPTIONS"} else "jobs"
    if not key.allows(scope):
        raise Problem(FORBIDDEN, f"This key lacks the scope {scope!r}; its owner can make one that has it.")


async def key_of(request: Request) -> ApiKey | None:
    """The valid key that this request shows, by a header or by the cookie of `/login`. Asked once a request.

    Raises:
        Problem: 503 where the ledger has to be asked and is away.
    """
    state = state_of(request.scope)
    if "key" not in state:
        state["key"] = await _find(request)
    key: ApiKey | None = state["key"]
    return key


async def show_key(request: Request, token: str) -> None:
    """Take a key that the body shows, before any of the headers.

    Raises:
        Problem: 401 where it is not valid, 403 where it may not do this, 503 where the ledger is away.
    """
    key = await _find(request, token)
    if key is None:
        raise key_needed()
    require_scope(key, request.method)
    state_of(request.scope)["key"] = key


async def _find(request: Request, token: str = "") -> ApiKey | None:
    shown = token or token_in(request)
    kept = cookie(request, COOKIE)
    if not shown and not kept:
        return None
    try:
        return await asyncio.to_thread(_ask, request, shown, kept)
    except LedgerError as error:
        headers = {"retry-after": "5"}
        raise Problem(UNAVAILABLE, "Keys cannot be checked now; try again.", headers=headers) from error


def _ask(request: Request, shown: str, cookie: str) -> ApiKey | None:
    state = app_state(request)
    if shown:
        return state.keyring.check(shown)
    login = remembered(cookie, state.signer)
    return state.keyring.of_login(login) if login else None


def token_in(request: Request) -> str:
    """The key in the headers, as it was sent; X-API-Key goes before Authorization, with `Bearer` or bare."""
    headers = fields(request.scope)
    given = headers.get("authorization", "").strip()
    scheme, space, token = given.partition(" ")
    shown = token.strip() if scheme.lower() == "bearer" else "" if space else given
    return headers.get("x-api-key", "") or shown


def remember(request: Request, response: Response, key: ApiKey) -> None:
    """Let the browser show its key's id, signed, from now on; the key itself is not kept in it."""
    text = f"{key.id}-{int(time.time()) + MONTH}-{secrets.token_hex(12)}"
    session.set_cookie(request, response, COOKIE, app_state(request).signer.sign("key", text), MONTH)


def remembered(cookie: str, signer: Signer) -> Login | None:
    """The login in the cookie of `remember`, or None where it is not ours or too old."""
    parts = (signer.open("key", cookie) or "").split("-")
    expires = whole_number(parts[1]) if len(parts) == 3 else None
    if expires is None or time.time() >= expires:
        return None
    return Login(id=parts[2], key_id=parts[0], until=expires)


async def forget(request: Request) -> None:
    """End the login of this browser's cookie, wherever a copy of it may be.

    Raises:
        Problem: 503 where the ledger cannot be told.
    """
    state = app_state(request)
    login = remembered(cookie(request, COOKIE), state.signer)
    if login is None:
        return
    try:
        await asyncio.to_thread(state.keyring.end, login)
    except LedgerError as error:
        headers = {"retry-after": "5"}
        raise Problem(UNAVAILABLE, "The login cannot be ended now; try again.", headers=headers) from error
