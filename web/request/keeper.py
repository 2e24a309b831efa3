"""Who may see and move the inside of the house: metrics, analytics, Flower, the gateway's status.

A keeper shows a key of the scope admin, or comes from TUTTI_ADMIN_NETWORKS: straight, with nothing between
that shows itself as a proxy or tunnel, or by proxies that are trusted. To be on this machine counts only for
who came straight and opened an address of this machine: behind a tunnel everybody seems to be here. Of this
machine's accounts only our own counts, unless TUTTI_LOCAL_ADMINS is on.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from web.request import client, forwarded, neighbour
from web.request.auth import key_of
from web.request.fields import fields
from web.request.problems import FORBIDDEN, Problem
from web.request.state import AppState, app_state

REFUSAL = (
    "This is for keepers: come straight from TUTTI_ADMIN_NETWORKS, or show a key of the scope admin "
    "(docs/operating.md, 'Who is a keeper')."
)


async def require_keeper(request: Request) -> None:
    """Refuse whoever is no keeper.

    Raises:
        Problem: 403.
    """
    if not await is_keeper(request):
        raise Problem(FORBIDDEN, REFUSAL)


async def is_keeper(request: Request) -> bool:
    """Whether the request comes from a keeper."""
    return _by_address(request, app_state(request)) or await _by_key(request)


async def _by_key(request: Request) -> bool:
    key = await key_of(request)
    return key is not None and key.allows("admin")


def _by_address(request: Request, state: AppState) -> bool:
    asking = client.of(request.scope, state.proxies)
    address = forwarded.read(asking.address)
    if not asking.known or address is None or not forwarded.within(address, state.admins):
        return False
    if not state.settings.local_admins and neighbour.stranger(request.scope, state.proxies) is not None:
        return False  # another account of this machine
    if asking.way == "direct":
        return not address.is_loopback or names_this_machine(fields(request.scope).get("host", ""))
    return asking.way == "chain" and not address.is_loopback


def names_this_machine(host: str) -> bool:
    """Whether a Host header names this machine as only it calls itself."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def answer(request: Request) -> Response:
    """`/auth/keeper`: 204 for a keeper, else 403. nginx asks here."""
    status = 204 if await is_keeper(request) else 403
    return Response(status_code=status, headers={"cache-control": "no-store"})
