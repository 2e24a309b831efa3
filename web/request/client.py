"""Who is asking: the address of the client, behind a gateway or not."""

from __future__ import annotations

import hashlib
import ipaddress
from functools import lru_cache

from starlette.types import Scope

from web.request.fields import fields, state_of

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
KNOWN = 4096  # addresses whose reading is remembered: the same few ask again and again


def networks(text: str) -> Networks:
    """The networks of a setting such as `10.0.0.0/8, ::1`.

    Raises:
        ValueError: one of them is not a network.
    """
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def within(text: str, known: Networks) -> bool:
    """Whether the address lies in one of the networks."""
    found = _read(text)
    return found is not None and any(found in network for network in known)


def through_gateway(scope: Scope, trusted: Networks = ()) -> bool:
    """Whether nginx stands between: the request came over the unix socket or from a trusted network."""
    peer = scope.get("client")
    return peer is None or not peer[0] or within(peer[0], trusted)


def address(scope: Scope, trusted: Networks = ()) -> str:
    """The client's address: what the gateway says if there is one, else the peer's.

    X-Real-IP is believed first; of X-Forwarded-For only the last entry, which the gateway itself wrote.
    It is found out once a request.
    """
    state = state_of(scope)
    known: str | None = state.get("address")
    if known is None:
        known = state["address"] = _address(scope, trusted)
    return known


def _address(scope: Scope, trusted: Networks) -> str:
    if not through_gateway(scope, trusted):
        return str(scope["client"][0])
    headers = fields(scope)
    stated = headers.get("x-real-ip") or headers.get("x-forwarded-for", "").rpartition(",")[2]
    found = _read(stated.strip())
    return "127.0.0.1" if found is None else str(found)


@lru_cache(KNOWN)
def _read(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@lru_cache(KNOWN)
def bucket(text: str) -> str:
    """The address as limits count it: an IPv6 client owns its whole /64."""
    known = _read(text)
    if known is None or known.version == 4:
        return text
    return str(ipaddress.ip_network((known, 64), strict=False))


@lru_cache(KNOWN)
def hashed(text: str) -> str:
    """The address as the ledger keeps it: enough to tell two apart, not to read one."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
