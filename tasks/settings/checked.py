"""What the text of a setting may be: each kind of value has one check, whose message says what to write."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationError

from tasks.settings import listening, places

SECRET_NAMES = ("SECRET", "KEY", "LEDGER_URL", "BROKER_URL")  # whose values are not repeated
WEB_ADDRESS = re.compile(r"^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$")
WEB_NODE = re.compile(
    r"^(?:unix:/[^\x00-\x1f\s$]+|\[[0-9a-fA-F:.]+\]:\d{1,5}|[A-Za-z0-9._-]+:\d{1,5})"
    r"(?:\s+(?:backup|weight=[1-9]\d{0,3}))*$"
)
ORIGIN = re.compile(r"^https?://[A-Za-z0-9.-]+(?::\d{1,5})?$")
PUBLIC_URL = re.compile(
    r"^https?://(?:\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)(?::\d{1,5})?(?:/[\w.~-]+)*/?$",
    re.IGNORECASE | re.ASCII,
)
OWN_PATHS = frozenset(
    [
        "-",
        "analytics",
        "api",
        "auth",
        "create_random_sample",
        "docs",
        "favicon.ico",
        "flower",
        "format_input",
        "gateway",
        "generate",
        "health",
        "livez",
        "login",
        "logout",
        "metrics",
        "openapi.json",
        "output",
        "problems",
        "query_result",
        "readyz",
        "release_task",
        "songs",
        "static",
        "v1",
    ]
)
"""First parts of our own addresses; a prefix of such a name could not be told from them."""
ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
HOST_NAME = re.compile(r"^(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_-]+)*\Z")
PORTS = re.compile(r"^(\d{1,5})(?:-(\d{1,5}))?\Z", re.ASCII)
PORT_MAX = 65_535
NODE_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")


def _place(value: object) -> object:
    if isinstance(value, str) and ADDRESS.match(value):
        raise ValueError(
            f"has to be a path, and {value.partition('://')[0]}:// begins an address; mount it here"
        )
    return value


def _node_name(text: str) -> str:
    if not NODE_NAME.match(text):
        raise ValueError("has to be lower-case letters, digits and hyphens (it names queues and files)")
    return text


def this_host() -> str:
    """This machine's name, as a node may be called."""
    name = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().split(".")[0].lower()).strip("-")
    return name[:63].strip("-") or "localhost"


def _web_address(text: str) -> str:
    if not WEB_ADDRESS.match(text):
        raise ValueError("has to be host:port or [IPv6]:port")
    return text


def _web_nodes(text: str) -> str:
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        if not WEB_NODE.match(entry):
            raise ValueError(
                f"{entry!r} is no web node: host:port, [IPv6]:port or unix:/path, then 'weight=N' or 'backup'"
            )
    return text


def _networks(text: str) -> str:
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            ipaddress.ip_network(part, strict=False)
        except ValueError as error:
            raise ValueError(
                f"{error}; write networks such as '10.0.0.0/8, 2001:db8::/32, 192.0.2.7'"
            ) from None
    return text


def _secret(check: Callable[[str], object]) -> Callable[[SecretStr], SecretStr]:
    def checked(value: SecretStr) -> SecretStr:
        check(value.get_secret_value())
        return value

    return checked


def _origins(text: str) -> str:
    for part in filter(None, (part.strip() for part in text.split(","))):
        if part != "null" and not ORIGIN.match(part):
            raise ValueError(f"{part!r} has to be an origin such as https://app.example.com; '*' is none")
    return text


def _public_url(text: str) -> str:
    """Check the address that people open; its path is the prefix below which everything stands."""
    wrong = f"{text!r} is not a plain address such as https://music.example.org or http://host:8080/tutti"
    if not PUBLIC_URL.match(text):
        raise ValueError(wrong)
    try:
        parts = urlsplit(text)
        _ = parts.port  # ValueError where it is none
    except ValueError:
        raise ValueError(wrong) from None
    first = parts.path.split("/")[1] if "/" in parts.path else ""
    if first in OWN_PATHS:
        raise ValueError(f"its path begins with /{first}, which is an address of Tutti's own; choose another")
    return text.rstrip("/")


def _host_names(text: str) -> str:
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name != "*" and not HOST_NAME.match(name):
            raise ValueError(f"{name!r} is not a name such as 'music.example.org' (without a port)")
    return text


def ports(text: str) -> tuple[range, ...]:
    """The ports of a setting such as `80, 443, 8000-8999`.

    Raises:
        ValueError: One of them is not a port or a range of ports.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = PORTS.match(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= PORT_MAX:
            raise ValueError(f"{part!r} is neither a port nor a range of ports such as '8000-8999'")
        found.append(range(first, last + 1))
    return tuple(found)


def _ports(text: str) -> str:
    ports(text)
    return text


Place = Annotated[Path, BeforeValidator(_place)]
Networks = Annotated[str, AfterValidator(_networks)]
HttpUrl = Annotated[str, AfterValidator(places.http_url)]
Host = Annotated[str, AfterValidator(listening.host)]
NodeName = Annotated[str, AfterValidator(_node_name)]
Origins = Annotated[str, AfterValidator(_origins)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
HostNames = Annotated[str, AfterValidator(_host_names)]
Ports = Annotated[str, AfterValidator(_ports)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
WebNodes = Annotated[str, AfterValidator(_web_nodes)]
LedgerUrl = Annotated[SecretStr, AfterValidator(_secret(places.database_url))]
BrokerUrl = Annotated[SecretStr, AfterValidator(_secret(places.broker_url))]


def complaints(error: Exception) -> list[str]:
    """What is wrong with the settings, a line each, without the values of secrets."""
    if not isinstance(error, ValidationError):
        return [str(error)]
    lines = []
    for problem in error.errors(include_url=False):
        name = "_".join(str(part) for part in problem["loc"]).upper()
        text = problem["msg"].removeprefix("Value error, ")
        shown = "" if name.endswith(SECRET_NAMES) else f" (it is {problem['input']!r})"
        lines.append(f"TUTTI_{name}: {text}{shown}")
    return lines
