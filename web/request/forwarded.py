"""Who sent a request through gateways, proxies and tunnels: the one place that reads their headers.

A chain of proxies is read from the right: the peer, then what the peer wrote, for as long as whoever wrote it
is trusted. The first that is not trusted is the client. What cannot be parsed is a stranger. Of the two
headers (X-Forwarded-For; Forwarded, RFC 7239) only the one that TUTTI_PROXY_HEADER names is read: a proxy
that writes one passes on the other as the client sent it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
ProxyHeader = Literal["X-Forwarded-For", "Forwarded"]

KNOWN: Final = 4096  # texts whose reading is remembered: the same few come again and again
LONGEST: Final = 32  # proxies in a row; no real chain has as many
HERE: Final = "127.0.0.1"  # where a proxy runs that uses the socket of this machine
V4_WITH_PORT: Final = re.compile(r"^([0-9.]{7,15}):\d{1,5}$", re.ASCII)
V6_BRACKETED: Final = re.compile(r"^\[([^\]]+)\](?::\d{1,5})?$", re.ASCII)
TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word
PAIR: Final = re.compile(rf'\s*({TOKEN})=({TOKEN}|"(?:[^"\\]|\\.)*")\s*')
QUOTED_PAIR: Final = re.compile(r"\\(.)")

# What proxies, balancers and tunnels add. A request with one of these did not come straight from its peer.
SIGNS_OF_PROXIES: Final = frozenset(
    [
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-originating-ip",
        "x-remote-ip",
        "x-remote-addr",
        "true-client-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "x-appengine-user-ip",
        "x-azure-clientip",
        "cdn-loop",
        "x-envoy-external-address",
        "x-original-host",
        "x-original-url",
        "x-proxy-user-ip",
        "x-arr-log-id",
    ]
)
BEGINNINGS_OF_PROXIES: Final = ("x-forwarded", "x-original-forwarded", "cf-", "tailscale-", "x-amzn-trace")


Way = Literal["direct", "unseen", "chain", "claim"]


@dataclass(frozen=True, kw_only=True)
class Client:
    """Who asks.

    Attributes:
        address: As logs and limits have it; of a stranger that of the proxy that nearly knew them.
        known: Whether the address is the client's own. A stranger's is not.
        way: How it is known. `direct`: nothing stands between but our own gateway, so far as can be seen.
            `unseen`: it is the address of a proxy or tunnel that no setting names. `chain`: trusted proxies
            told. `claim`: whoever uses the socket of this machine said so.
    """

    address: str
    known: bool
    way: Way


def networks(text: str) -> Networks:
    """The networks of a setting such as `10.0.0.0/8, ::1`.

    Raises:
        ValueError: One of them is not a network.
    """
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


@lru_cache(KNOWN)
def read(text: str) -> Address | None:
    """The address in a text: plain, with a port, or in brackets; None where there is none.

    An IPv4 address inside an IPv6 one is the IPv4 address.
    """
    text = text.strip()
    if match := V4_WITH_PORT.match(text) or V6_BRACKETED.match(text):
        text = match[1]
    try:
        found = ipaddress.ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def within(found: Address | None, known: Networks) -> bool:
    """Whether the address lies in one of the networks."""
    return found is not None and any(found in network for network in known)


def written(values: Sequence[str], header: ProxyHeader) -> list[str]:
    """What proxies wrote, the nearest last; several lines of a header are one list (RFC 9110, 5.3).

    Text that is no address stays as it is, for `read` to refuse.
    """
    if header == "X-Forwarded-For":
        return [part for part in ",".join(values).split(",") if part.strip()]
    return _of_forwarded(",".join(values))


def _of_forwarded(text: str) -> list[str]:
    """The `for` of each element of RFC 7239; an element without one is an empty text.

    What is no such list has one empty text: nothing in it can be believed.
    """
    found: list[str] = []
    at = 0
    while at < len(text):
        pairs, at = _element(text, at)
        if at < len(text) and text[at] != ",":
            return [""]
        if pairs:
            found.append(pairs.get("for", ""))
        at += 1
    return found


def _element(text: str, at: int) -> tuple[dict[str, str], int]:
    """The parameters that begin at a place, and the place behind them."""
    pairs: dict[str, str] = {}
    while match := PAIR.match(text, at):
        at = match.end()
        value = match[2]
        pairs[match[1].lower()] = QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        if not text.startswith(";", at):
            return pairs, at
        at += 1
    return pairs, at + len(text[at:]) - len(text[at:].lstrip(" \t"))


def follow(peer: str | None, chain: Sequence[str], trusted: Networks) -> Client:
    """Find the client behind a peer that is a trusted proxy: the first from the right that is none.

    Args:
        peer: The address of the proxy; None for a socket of this machine.
        chain: What proxies wrote, the nearest last.
        trusted: Networks of proxies that are believed.
    """
    last = read(peer) if peer else None
    for entry in list(reversed(chain))[:LONGEST]:
        found = read(entry)
        if found is None:
            return Client(address=_text(last), known=False, way="chain")
        last = found
        if not within(found, trusted):
            return Client(address=_text(found), known=True, way="chain")
    whole = 0 < len(chain) <= LONGEST  # all are trusted: the first of them asks for itself
    return Client(address=_text(last), known=whole, way="chain")


def signs(names: Iterable[str]) -> bool:
    """Whether names of headers, in lower case, tell of a proxy or a tunnel."""
    return any(name in SIGNS_OF_PROXIES or name.startswith(BEGINNINGS_OF_PROXIES) for name in names)


def _text(found: Address | None) -> str:
    return HERE if found is None else str(found)
