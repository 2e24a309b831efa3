"""Telling another server that a job ended: a POST to the job's `callback_url`.

The address comes from a stranger, so nothing but the public internet is reached: every address of the name
is checked, and the connection goes to the address that was checked, whatever the name says a moment later.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

SCHEMES: Final = {"http": 80, "https": 443}
PORT_MAX: Final = 65_535
AGAIN: Final = frozenset({408, 425, 429})  # refusals that ask to come back later
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits
PATIENCE: Final = httpx.Timeout(10.0)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Allowed = Callable[[Address], bool]


class CallbackRefused(ValueError):
    """The URL leads where callbacks may not go; the message says why."""


class HostUnknown(CallbackRefused):
    """The name leads nowhere now; it may later."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of one POST: `taken` by the receiver, or not; `final` where trying again is of no use."""

    taken: bool
    final: bool
    why: str


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
    parsed = _parse(url)
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


def post(url: str, document: dict[str, Any], *, allowed: Allowed = is_public) -> Answer:
    """POST `document` as JSON to `url`, once; what is answered beyond the status is not read."""
    try:
        status = _post(_parse(url), document, allowed)
    except HostUnknown as error:
        return Answer(taken=False, final=False, why=str(error))
    except CallbackRefused as error:
        return Answer(taken=False, final=True, why=str(error))
    except httpx.HTTPError as error:
        return Answer(taken=False, final=False, why=f"no answer: {type(error).__name__}")
    final = status < 500 and status not in AGAIN
    return Answer(taken=200 <= status < 300, final=final, why=f"answered {status}")


def _post(url: httpx.URL, document: dict[str, Any], allowed: Allowed) -> int:
    address = reachable(url, allowed)[0]
    headers = {"Host": url.netloc.decode("ascii"), "User-Agent": "tutti"}
    by_name = {"sni_hostname": url.host}  # the certificate is checked against the name
    target = url.copy_with(host=address)
    # No proxy of the environment and no redirect: either would choose another address than the one checked.
    with (
        httpx.Client(timeout=PATIENCE, follow_redirects=False, trust_env=False) as client,
        client.stream("POST", target, json=document, headers=headers, extensions=by_name) as answer,
    ):
        return answer.status_code


def _parse(url: str) -> httpx.URL:
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
