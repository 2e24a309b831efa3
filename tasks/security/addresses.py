"""Addresses that callbacks may reach.

A callback's URL comes from a stranger, so nothing but the public internet may be reached: every address of
the name is checked.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Final

import httpx

SCHEMES: Final = {"http": 80, "https": 443}
PORT_MAX: Final = 65_535
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Allowed = Callable[[Address], bool]


class CallbackRefused(ValueError):
    """The URL leads where callbacks may not go; the message says why."""


class HostUnknown(CallbackRefused):
    """The name leads nowhere now; it may later."""


def is_public(address: Address) -> bool:
    """Whether `address` belongs to the public internet: not private, local, reserved or translated."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            return is_public(inner)
        if address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return address.is_global and not address.is_multicast


def allowing(networks: str) -> Allowed:
    """What is public, and these networks as well, such as '10.1.0.0/16, 127.0.0.1'."""
    extra = [ipaddress.ip_network(part.strip()) for part in networks.split(",") if part.strip()]
    return lambda address: is_public(address) or any(address in network for network in extra)


def check_url(url: str, *, resolve: bool = True, allowed: Allowed = is_public) -> None:
    """Refuse a callback URL that is malformed or leads into a private network.

    Args:
        url: What the person gave.
        resolve: Look the name up as well; without it only what the URL itself says is checked.
        allowed: Which addresses may be reached.

    Raises:
        CallbackRefused: With a message for the person who gave the URL.
    """
    parsed = parse(url)
    if _literal(parsed.host) is not None or resolve:
        reachable(parsed, allowed)


def reachable(url: httpx.URL, allowed: Allowed = is_public) -> list[str]:
    """The addresses of the URL's host, every one of them checked.

    One forbidden address refuses the name as a whole: which one a resolver names first is chance.
    """
    port = url.port or SCHEMES[url.scheme]
    try:
        found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostUnknown(f"callback_url: the host {url.host!r} cannot be found; check its name") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(allowed(ipaddress.ip_address(a.split("%")[0])) for a in addresses):
        raise CallbackRefused("callback_url: leads into a private network; give a public address")
    return addresses


def parse(url: str) -> httpx.URL:
    """The URL in its parts.

    Raises:
        CallbackRefused: It is malformed, or holds a password.
    """
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise CallbackRefused(
            "callback_url: is not a URL; give one such as https://example.com/done"
        ) from error
    if parsed.scheme not in SCHEMES or not parsed.host or (parsed.port or 80) > PORT_MAX:
        raise CallbackRefused(
            "callback_url: has to start with http:// or https:// and name a host and a port below 65536"
        )
    if parsed.userinfo:
        raise CallbackRefused("callback_url: must not hold a user name or password; put a token in its query")
    return parsed


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
