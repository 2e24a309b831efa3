"""Which account of this machine has the other end of a connection on loopback, by the kernel's word (Linux).

The kernel finds one connection by its two ends (sock_diag(7)). Where it cannot be asked, its list of all
connections is read (proc_pid_net(5), /proc/net/tcp), which costs the more the more there are.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
NETLINK_SOCK_DIAG: Final = 4
SOCK_DIAG_BY_FAMILY: Final = 20
NLM_F_REQUEST: Final = 1
NLMSG_ERROR: Final = 2
HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, number, port (nlmsghdr)
ENDS: Final = struct.Struct("!HH16s16s")  # the ports and addresses of inet_diag_sockid
ANY: Final = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # its interface and cookie: any
ANY_STATE: Final = 0xFFFFFFFF
FOUND: Final = struct.Struct("=4B48x3III")  # inet_diag_msg: ..., expires, queues, account, inode
SECONDS: Final = 1.0


@dataclass(frozen=True)
class End:
    """One end of a connection."""

    address: str
    port: int


def owner(far: End, near: End) -> int | None:
    """The account whose connection it is at its far end; None where there is none, or it is closed."""
    return _ask(far, near) if _answers() else _look_up(far, near)


def is_known() -> bool:
    """Whether this system tells at all."""
    return bool(_tables())


@cache
def _answers() -> bool:
    """Whether the kernel can be asked for one connection: try with one of our own."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as near,
            socket.create_connection(near.getsockname()) as far,
        ):
            return _ask(End(*far.getsockname()), End(*near.getsockname())) is not None
    except OSError:
        return False


def _ask(far: End, near: End) -> int | None:
    source, target = ipaddress.ip_address(far.address), ipaddress.ip_address(near.address)
    if source.version != target.version:
        return None
    family = socket.AF_INET if source.version == 4 else socket.AF_INET6
    asked = struct.pack("=4BI", family, socket.IPPROTO_TCP, 0, 0, ANY_STATE)
    asked += ENDS.pack(far.port, near.port, source.packed, target.packed) + ANY
    head = HEADER.pack(HEADER.size + len(asked), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(SECONDS)
        kernel.connect((0, 0))
        kernel.send(head + asked)
        told = kernel.recv(4096)
    if HEADER.unpack_from(told)[1] == NLMSG_ERROR:
        return None
    *_, account, inode = FOUND.unpack_from(told, HEADER.size)
    return account if inode else None  # a closed one has no inode, and root for its account


@cache
def _tables() -> tuple[Path, ...]:
    """Linux has them, the second one only where it knows IPv6."""
    return tuple(table for table in TABLES if table.exists())


def _look_up(far: End, near: End) -> int | None:
    theirs = {f"{one}:{far.port:04X}" for one in _as_the_kernel_writes(far.address)}
    for table in _tables():
        for line in table.read_text().splitlines():
            words = line.split()
            if words[1] in theirs and words[2].endswith(f":{near.port:04X}") and words[9] != "0":
                return int(words[7])
    return None


def _as_the_kernel_writes(address: str) -> set[str]:
    """The address in hexadecimal, each four bytes of it as one number of this machine."""
    known = ipaddress.ip_address(address)
    forms = [known.packed]
    if known.version == 4:
        forms.append(ipaddress.ip_address(f"::ffff:{address}").packed)
    words = [[form[at : at + 4] for at in range(0, len(form), 4)] for form in forms]
    return {"".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in form) for form in words}
