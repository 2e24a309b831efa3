"""What the text of a setting may be: each kind of value has one check, whose message says what to write."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, SecretStr, ValidationError

from tasks import listening, places

SECRET_NAMES = ("SECRET", "KEY", "LEDGER_URL", "BROKER_URL")  # whose values are not repeated
WEB_ADDRESS = re.compile(r"^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$")
WEB_NODE = re.compile(
    r"^(?:unix:/[^\x00-\x1f\s$]+|\[[0-9a-fA-F:.]+\]:\d{1,5}|[A-Za-z0-9._-]+:\d{1,5})"
    r"(?:\s+(?:backup|weight=[1-9]\d{0,3}))*$"
)
NODE_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")


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


Networks = Annotated[str, AfterValidator(_networks)]
HttpUrl = Annotated[str, AfterValidator(places.http_url)]
Host = Annotated[str, AfterValidator(listening.host)]
NodeName = Annotated[str, AfterValidator(_node_name)]
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
