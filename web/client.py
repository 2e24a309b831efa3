"""Who is asking: the address of the client, behind a gateway or not."""

from __future__ import annotations

import hashlib
import ipaddress

from starlette.datastructures import Headers
from starlette.types import Scope

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(text: str) -> Networks:
    """The networks of a setting such as `10.0.0.0/8, ::1`.

    Raises:
        ValueError: one of them is not a network.
    """
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def within(text: str, known: Networks) -> bool:
    """Whether the address lies in one of the networks."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(found in network for network in known)


def through_gateway(scope: Scope, trusted: Networks = ()) -> bool:
    """Whether nginx stands between: the request came over the unix socket or from a trusted network."""
    peer = scope.get("client")
    return peer is None or not peer[0] or within(peer[0], trusted)


def address(scope: Scope, trusted: Networks = ()) -> str:
    """The client's address: what the gateway says if there is one, else the peer's.

    X-Real-IP is believed first; of X-Forwarded-For only the last entry, which the gateway itself wrote.
    """
    if not through_gateway(scope, trusted):
        return str(scope["client"][0])
    headers = Headers(scope=scope)
    stated = headers.get("x-real-ip") or headers.get("x-forwarded-for", "").rpartition(",")[2]
    return _valid(stated.strip()) or "127.0.0.1"


def _valid(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def bucket(text: str) -> str:
    """The address as limits count it: an IPv6 client owns its whole /64."""
    try:
        known = ipaddress.ip_address(text)
    except ValueError:
        return text
    if known.version == 4:
        return text
    return str(ipaddress.ip_network((known, 64), strict=False))


def hashed(text: str) -> str:
    """The address as the ledger keeps it: enough to tell two apart, not to read one."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
