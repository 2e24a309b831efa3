"""A request's headers by name, decoded once: a request has a dozen, and as many places ask for one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.types import Scope

DIGITS_MAX = 18
PORT = re.compile(r"(?:^[^:]*|\]):(\d{1,5})$")


def fields(scope: Scope) -> Mapping[str, str]:
    """The headers by their lower-case names; of equal names the first."""
    state: dict[str, Any] | None = scope.get("state")
    known: Mapping[str, str] | None = state.get("fields") if state else None
    if known is None:
        raw = reversed(scope["headers"])
        known = state_of(scope)["fields"] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in raw
        }
    return known


def whole_number(text: str) -> int | None:
    """The number that a stranger's text is; None where it is not one, or longer than any that is meant.

    `str.isdigit` alone also lets through "²" and five thousand digits, which `int` refuses with an exception.
    """
    return int(text) if len(text) <= DIGITS_MAX and text.isascii() and text.isdigit() else None


def cookies(request: Request) -> Mapping[str, str]:
    """The request's cookies; most programs send none, and then nothing is parsed."""
    return request.cookies if "cookie" in fields(request.scope) else {}


def cookie(request: Request, base: str) -> str:
    """What the browser shows of a cookie of ours, or nothing."""
    shown = cookies(request)
    return shown.get(cookie_name(base, request.scope), "") if shown else ""


def cookie_name(base: str, scope: Scope) -> str:
    """A cookie's name at the port that the browser opened: all ports of a host share its cookies."""
    found = PORT.search(fields(scope).get("host", ""))
    return f"{base}_{found[1]}" if found else base


def state_of(scope: Scope) -> dict[str, Any]:
    """What is kept for the time of one request: Starlette's `request.state`, as a plain dictionary."""
    state: dict[str, Any] | None = scope.get("state")
    if state is None:
        state = scope["state"] = {}
    return state
