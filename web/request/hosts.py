"""By which name this server was asked for.

A page of another site can make its own name lead to 127.0.0.1 (DNS rebinding), and is then of one origin with
us in the eyes of its visitor's browser. The name in Host is what tells the two apart.
"""

from __future__ import annotations

import re
from functools import lru_cache

from starlette.types import Scope

from tasks.settings import listening
from web.request.fields import fields
from web.request.problems import BAD_REQUEST, UNKNOWN_HOST, Problem

NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}"
HOST = re.compile(rf"(?P<name>{NAME}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::\d{{1,5}})?", re.ASCII)
PROBES = frozenset({"/livez", "/readyz"})  # balancers ask by any name; these two tell nothing


class Hosts:
    """The names by which this server may be asked for.

    Args:
        names: Lower case; None for any that is well formed.
    """

    def __init__(self, names: frozenset[str] | None) -> None:
        self._names = names
        self._known = lru_cache(256)(self._is_served)

    def check(self, scope: Scope) -> None:
        """Refuse a request for somebody else's name.

        Raises:
            Problem: 400 where there is no readable name, 421 where it is not one of ours.
        """
        given = [value for name, value in scope["headers"] if name == b"host"]
        if not given and scope.get("http_version") == "1.0":
            return  # such a client knows of no names
        host = given[0].decode("latin-1") if len(given) == 1 else ""
        match = HOST.fullmatch(host)
        if match is None:
            raise Problem(BAD_REQUEST, "Send one Host header: the server's name, and its port if it has one.")
        if not self._known(match["name"].lower()) and scope["path"] not in PROBES:
            detail = f"This server is not known as {match['name']}; its keeper may add that to TUTTI_HOSTS."
            raise Problem(UNKNOWN_HOST, detail)

    def _is_served(self, name: str) -> bool:
        return self._names is None or name in self._names or listening.is_address(name.strip("[]"))


def host_of(scope: Scope) -> str:
    """The Host header, which the edge has checked; empty for a client without one."""
    return fields(scope).get("host", "")
