"""The address that people open: the one place that knows its prefix and its origin.

A proxy may take the prefix away or pass it on: `Edge` takes it away where it is there, so that inside every
path is our own, and every link, redirect and cookie is made here.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from starlette.requests import Request
from starlette.types import Scope

from tasks.settings import Settings
from web.request.fields import fields

PORTS: Final = {"http": 80, "https": 443}


class Public:
    """Links, cookies and origins of one Tutti.

    Args:
        settings: TUTTI_PUBLIC_URL and what stands for it.
    """

    def __init__(self, settings: Settings) -> None:
        self.prefix = settings.public_prefix
        self.url = settings.base_url
        self.origin = settings.public_origin
        self._stated = _origin(settings.public_url) if settings.public_url else None

    def path(self, path: str) -> str:
        """One of our paths, as people's browsers and clients have to ask for it."""
        return f"{self.prefix}{path}"

    @property
    def cookie_path(self) -> str:
        """Where cookies belong to: another application of the same host does not get them."""
        return self.prefix or "/"

    def is_ours(self, origin: str, request: Request) -> bool:
        """Whether a page of this origin is ours: that of TUTTI_PUBLIC_URL, or of the host that was asked."""
        found = _origin(origin)
        if found is None:
            return False
        host = fields(request.scope).get("host", "")
        return found == self._stated or found[1:] == (_origin(f"{found[0]}://{host}") or ("", "", 0))[1:]

    def is_secure(self, scope: Scope) -> bool:
        """Whether browsers come by HTTPS, so that their cookies may be bound to that.

        A header that says so may be anybody's: it can only take the cookie from who sent it.
        """
        if (self._stated and self._stated[0] == "https") or scope.get("scheme") == "https":
            return True
        told = fields(scope)
        protocols = [part.strip().lower() for part in told.get("x-forwarded-proto", "").split(",")]
        return "https" in protocols or "proto=https" in told.get("forwarded", "").lower().replace('"', "")


def inner(scope: Scope, prefix: str) -> Scope:
    """The scope without the prefix in its path, where a proxy has passed it on."""
    path, raw = scope["path"], bytes(scope.get("raw_path") or b"")
    while prefix and (path == prefix or path.startswith(f"{prefix}/")):
        path = path[len(prefix) :] or "/"
        begins = prefix.encode()
        raw = raw[len(begins) :] or b"/" if raw.startswith(begins) else quote(path).encode()
    return scope if path == scope["path"] else {**scope, "path": path, "raw_path": raw}


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address, or None where it has none."""
    try:
        parts: SplitResult = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme]
