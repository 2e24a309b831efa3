"""Telling another server that a job ended: a POST to the job's `callback_url`.

The address comes from a stranger, so nothing but the public internet is reached: every address of the name
is checked, and the connection goes to the address that was checked, whatever the name says a moment later.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import time
from collections.abc import Callable
from typing import Any, Final

import httpx

SCHEMES: Final = {"http": 80, "https": 443}
PORT_MAX: Final = 65_535
TRIES: Final = 4
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits
PATIENCE: Final = httpx.Timeout(10.0)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Allowed = Callable[[Address], bool]


class CallbackRefused(ValueError):
    """The URL leads where callbacks may not go; the message says why."""


def is_public(address: Address) -> bool:
    """Whether `address` belongs to the public internet: not private, local, reserved or translated."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            return is_public(inner)
        if address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return address.is_global and not address.is_multicast


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
        raise CallbackRefused(
            f"callback_url: the host {url.host!r} cannot be found; check its name"
        ) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(allowed(ipaddress.ip_address(a.split("%")[0])) for a in addresses):
        raise CallbackRefused("callback_url: leads into a private network; give a public address")
    return addresses


def deliver(url: str, document: dict[str, Any], *, allowed: Allowed = is_public, tries: int = TRIES) -> bool:
    """POST `document` as JSON to `url`; tries again, later and later, while the other side fails.

    Returns:
        Whether the other side answered with success. A refusal (4xx) is not tried again.
    """
    for attempt in range(tries):
        if attempt:
            time.sleep(min(30.0, 2.0**attempt) * random.uniform(0.5, 1.0))  # noqa: S311 - spread, not secrecy
        try:
            status = _post(_parse(url), document, allowed)
        except CallbackRefused:
            return False
        except httpx.HTTPError:
            continue
        if status < 500 and status != 429:
            return 200 <= status < 300
    return False


def _post(url: httpx.URL, document: dict[str, Any], allowed: Allowed) -> int:
    address = reachable(url, allowed)[0]
    # No proxy of the environment and no redirect: either would choose another address than the one checked.
    with httpx.Client(timeout=PATIENCE, follow_redirects=False, trust_env=False) as client:
        answer = client.post(
            url.copy_with(host=address),
            json=document,
            headers={"Host": url.netloc.decode("ascii"), "User-Agent": "tutti"},
            extensions={"sni_hostname": url.host},  # the certificate is checked against the name
        )
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
