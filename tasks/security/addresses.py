"""Addresses that callbacks may reach.

A callback's URL comes from a stranger, so nothing but the public internet may be reached: every address of
the name is checked, and its port.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection
from typing import Final

import httpx

from tasks.settings.checked import PORT_MAX, ports

SCHEMES: Final = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Allowed = Callable[[Address], bool]
Ports = Collection[range]


class CallbackRefused(ValueError):
    """The URL leads where callbacks may not go; the message says why."""


class HostUnknown(CallbackRefused):
    """The name leads nowhere now; it may later."""


# Our own tables, because `ipaddress.is_global` follows the registries of whichever Python runs us, and calls
# a good deal global that is not for a stranger to choose (6to4 relays, AS112, a cloud's own services).
# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, November 2026.
SPECIAL_IPV4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own, and Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host, seen from its guests
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocols, and Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
PUBLIC_IPV6: Final = ipaddress.IPv6Network("2000::/3")  # the only part that is given out; all else is special
SPECIAL_IPV6: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocols: Teredo, benchmarks, ORCHID, AS112, relays
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address behind whichever relay is near
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
# These hold an IPv4 address in their last 32 bits, which then decides. Other translations of one network
# into the other (64:ff9b:1::/48, ::ffff:0:0:0/96, ::/96) are local matters and lie outside 2000::/3.
MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: what DNS64 makes of any public IPv4 address


def is_public(address: Address) -> bool:
    """Whether `address` belongs to the public internet: not private, local, reserved or translated."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in SPECIAL_IPV4)
    if address in MAPPED or address in NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in PUBLIC_IPV6 and not any(address in network for network in SPECIAL_IPV6)


def allowing(networks: str) -> Allowed:
    """What is public, and these networks as well, such as '10.1.0.0/16, 127.0.0.1'."""
    extra = [ipaddress.ip_network(part.strip()) for part in networks.split(",") if part.strip()]
    return lambda address: is_public(address) or any(address in network for network in extra)


def check_url(url: str, *, resolve: bool = True, allowed: Allowed = is_public, at: str | None = None) -> None:
    """Refuse a callback URL that is malformed or leads into a private network.

    Args:
        url: What the person gave.
        resolve: Look the name up as well; without it only what the URL itself says is checked.
        allowed: Which addresses may be reached.
        at: Which ports, such as '80, 443'; None for any.

    Raises:
        CallbackRefused: With a message for the person who gave the URL.
    """
    parsed = parse(url)
    check_port(parsed, at)
    if _literal(parsed.host) is not None or resolve:
        reachable(parsed, allowed)


def check_port(url: httpx.URL, at: str | None) -> None:
    """Refuse a port that is not among those of the setting `at`; None lets any pass.

    Raises:
        CallbackRefused: With the ports that are allowed.
    """
    port = port_of(url)
    if at is not None and not any(port in allowed for allowed in ports(at)):
        raise CallbackRefused(f"callback_url: may not lead to port {port}; these are allowed: {at}")


def port_of(url: httpx.URL) -> int:
    """The URL's port, or its scheme's."""
    return url.port if url.port is not None else SCHEMES[url.scheme]


def reachable(url: httpx.URL, allowed: Allowed = is_public) -> list[str]:
    """The addresses of the URL's host, every one of them checked.

    One forbidden address refuses the name as a whole: which one a resolver names first is chance.
    """
    try:
        found = socket.getaddrinfo(url.host, port_of(url), type=socket.SOCK_STREAM)
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
    if parsed.scheme not in SCHEMES or not parsed.host or not 0 < port_of(parsed) <= PORT_MAX:
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
