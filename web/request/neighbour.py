"""Which account of this machine a request from the machine itself came from.

On loopback every account has the address 127.0.0.1, and without keys an address is all there is to go by. The
kernel knows whose the other end of such a connection is (Linux: /proc/net/tcp); so another account's requests
count as somebody else's. Where the kernel does not say, or a gateway that is not ours stands between, they
count as the address's.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from functools import cache, lru_cache
from pathlib import Path

from starlette.types import Scope

from tasks.settings.listening import is_loopback
from web.request import client
from web.request.client import Proxies
from web.request.fields import fields, state_of, whole_number

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
# Our gateway's: the client's port, the port it came to, and a number of its connection.
HEADER = "x-tutti-connection"
CONNECTION = "connection"  # the same number in the request's state, where nothing stands in front
NOBODY_KNOWN = -1
OURS = os.geteuid()
CONNECTIONS = 4096  # remembered


def stranger(scope: Scope, proxies: Proxies) -> int | None:
    """The id of another account of this machine, or NOBODY_KNOWN; None for our own, for root, and for others.

    It is found out once a connection.
    """
    state = state_of(scope)
    if "stranger" not in state:
        state["stranger"] = _stranger(scope, proxies)
    found: int | None = state["stranger"]
    return found


def _stranger(scope: Scope, proxies: Proxies) -> int | None:
    address = client.address(scope, proxies)
    ends = _ends(scope, proxies) if is_loopback(address) else None
    if ends is None or not _tables():
        return None
    account = _account(address, *ends)
    return None if account in {0, OURS} else account


def _ends(scope: Scope, proxies: Proxies) -> tuple[int, int, str] | None:
    """The client's port, the port it came to, and the connection; None where nobody has told."""
    if not client.through_gateway(scope, proxies):
        connection = state_of(scope).get(CONNECTION)
        return None if connection is None else (scope["client"][1], scope["server"][1], connection)
    words = fields(scope).get(HEADER, "").split(" ")
    if len(words) != 3:
        return None
    ports = [whole_number(word) for word in words[:2]]
    return (ports[0] or 0, ports[1] or 0, words[2])


@cache
def _tables() -> tuple[Path, ...]:
    """The kernel's lists of connections: Linux has them, the second one only where it knows IPv6."""
    return tuple(table for table in TABLES if table.exists())


@lru_cache(CONNECTIONS)
def _account(address: str, port: int, to: int, _connection: str) -> int:
    """Whose the connection is. Its number is part of the question: a port may be another's a moment later."""
    ours = {f"{one}:{port:04X}" for one in _as_the_kernel_writes(address)}
    for table in _tables():
        for line in table.read_text().splitlines():
            words = line.split()
            mine = words[1] in ours and words[2].endswith(f":{to:04X}")
            if mine and words[9] != "0":  # a closed one has no inode, and root for its account
                return int(words[7])
    return NOBODY_KNOWN


def _as_the_kernel_writes(address: str) -> set[str]:
    """The address in hexadecimal, each four bytes of it as one number of this machine."""
    known = ipaddress.ip_address(address)
    forms = [known.packed]
    if known.version == 4:
        forms.append(ipaddress.ip_address(f"::ffff:{address}").packed)
    words = [[form[at : at + 4] for at in range(0, len(form), 4)] for form in forms]
    return {"".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in form) for form in words}
