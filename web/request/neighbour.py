"""Which account of this machine a request from the machine itself came from.

On loopback every account has the address 127.0.0.1, and without keys an address is all there is to go by. The
kernel knows whose the other end of such a connection is (`socket_owner`); so another account's requests
count as somebody else's. Where the kernel does not say, or a gateway that is not ours stands between, they
count as the address's.
"""

from __future__ import annotations

import os
from functools import lru_cache

from starlette.types import Scope

from tasks.settings.listening import is_loopback
from web.request import client, socket_owner
from web.request.client import Proxies
from web.request.fields import fields, state_of, whole_number
from web.request.forwarded import read
from web.request.socket_owner import End

# Our gateway's: the client's port, the port and the address it came to, and a number of its connection.
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
    ends = _ends(address, scope, proxies) if is_loopback(address) else None
    if ends is None or not socket_owner.is_known():
        return None
    account = _account(*ends)
    return None if account in {0, OURS} else account


def _ends(address: str, scope: Scope, proxies: Proxies) -> tuple[End, End, str] | None:
    """The client's end, the one that it came to, and the connection; None where nobody has told."""
    if not client.through_gateway(scope, proxies):
        connection = state_of(scope).get(CONNECTION)
        host, port = scope["server"]
        near = str(read(host or "") or address)
        return None if connection is None else (End(address, scope["client"][1]), End(near, port), connection)
    words = fields(scope).get(HEADER, "").split(" ")
    if len(words) != 4:
        return None
    port, to = (whole_number(word) or 0 for word in words[:2])
    return (End(address, port & 0xFFFF), End(str(read(words[2]) or address), to & 0xFFFF), words[3])


@lru_cache(CONNECTIONS)
def _account(far: End, near: End, _connection: str) -> int:
    """Whose the connection is. Its number is part of the question: a port may be another's a moment later."""
    found = socket_owner.owner(far, near)
    return NOBODY_KNOWN if found is None else found
