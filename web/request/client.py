"""The client of one request: its address, whether it is known, and how limits and the ledger count it."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from starlette.types import Scope

from web.request import forwarded
from web.request.fields import fields, state_of
from web.request.forwarded import Client, Networks, ProxyHeader, networks, read

__all__ = [
    "Client",
    "Networks",
    "Proxies",
    "address",
    "bucket",
    "hashed",
    "held_in_front",
    "networks",
    "of",
    "through_gateway",
    "within",
]

KNOWN = 4096  # addresses whose reading is remembered: the same few ask again and again
# What our gateway writes itself, from which nothing follows of other proxies.
GATEWAYS_OWN = frozenset({"x-real-ip", "x-forwarded-for", "x-forwarded-proto"})
OLD_HTTP = (
    "1.0"  # what nginx speaks to those it passes requests on to, unless told otherwise; browsers do not
)


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """What stands in front, by the settings.

    Attributes:
        trusted: Networks of proxies that are believed.
        header: The one that they write.
        token: What our own gateway shows, so that it is believed wherever it runs.
    """

    trusted: Networks = ()
    header: ProxyHeader = "X-Forwarded-For"
    token: str = ""


NONE = Proxies()


def of(scope: Scope, proxies: Proxies = NONE) -> Client:
    """Who sent the request. It is found out once a request."""
    state = state_of(scope)
    known: Client | None = state.get("client")
    if known is None:
        known = state["client"] = _client(scope, proxies)
    return known


def address(scope: Scope, proxies: Proxies = NONE) -> str:
    """The client's address, as logs and limits have it."""
    return of(scope, proxies).address


def held_in_front(scope: Scope, proxies: Proxies = NONE) -> bool:
    """Whether our own gateway has passed this request on, and with it held the limits of its address."""
    return through_gateway(scope, proxies) and proxies.header == "X-Forwarded-For"


def within(text: str, known: Networks) -> bool:
    """Whether the address that the text is lies in one of the networks."""
    return forwarded.within(read(text), known)


def through_gateway(scope: Scope, proxies: Proxies = NONE) -> bool:
    """Whether our own gateway has passed this request on."""
    if _peer(scope) is None:
        return True  # only this account can open the socket
    shown = fields(scope).get("x-tutti-gateway", "")
    return bool(shown and proxies.token) and hmac.compare_digest(
        shown.encode("latin-1"), proxies.token.encode()
    )


def _peer(scope: Scope) -> str | None:
    peer = scope.get("client")
    return peer[0] if peer and peer[0] else None


def _client(scope: Scope, proxies: Proxies) -> Client:
    headers = fields(scope)
    if through_gateway(scope, proxies):
        if "x-tutti-peer" not in headers:
            return _claimed(scope, proxies)
        chain = forwarded.written(_chain(scope, proxies, "x-tutti-forwarded-for"), proxies.header)
        proxied = bool(headers.get("x-tutti-proxied")) or forwarded.signs(headers.keys() - GATEWAYS_OWN)
        old = headers.get("x-tutti-protocol", "").endswith(OLD_HTTP)
        return _asked(headers["x-tutti-peer"], chain, proxies.trusted, unseen=proxied or old)
    chain = forwarded.written(_chain(scope, proxies, "x-forwarded-for"), proxies.header)
    unseen = forwarded.signs(headers) or scope.get("http_version") == OLD_HTTP
    return _asked(_peer(scope) or "", chain, proxies.trusted, unseen=unseen)


def _asked(peer: str, chain: list[str], trusted: Networks, *, unseen: bool) -> Client:
    found = read(peer)
    if forwarded.within(found, trusted):
        return forwarded.follow(peer, chain, trusted)
    text = forwarded.HERE if found is None else str(found)
    return Client(address=text, known=found is not None, way="unseen" if unseen else "direct")


def _chain(scope: Scope, proxies: Proxies, ours: str) -> list[str]:
    """The lines of the header that trusted proxies write."""
    name = (ours if proxies.header == "X-Forwarded-For" else "forwarded").encode()
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _claimed(scope: Scope, proxies: Proxies) -> Client:
    """Somebody else than our gateway uses the socket of this machine."""
    stated = fields(scope).get("x-real-ip")
    if stated is None:
        chain = forwarded.written(_chain(scope, proxies, "x-forwarded-for"), proxies.header)
        return forwarded.follow(None, chain, proxies.trusted)
    found = read(stated)
    return Client(
        address=forwarded.HERE if found is None else str(found), known=found is not None, way="claim"
    )


@lru_cache(KNOWN)
def bucket(text: str) -> str:
    """The address as limits count it: an IPv6 client owns its whole /64."""
    known = read(text)
    if known is None or known.version == 4:
        return text if known is None else str(known)
    return str(ipaddress.ip_network((known, 64), strict=False))


@lru_cache(KNOWN)
def hashed(text: str) -> str:
    """The address as the ledger keeps it: enough to tell two apart, not to read one."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
