"""Where a server listens, and where people, other machines and this machine itself find it: four addresses.

`0.0.0.0` and `::` say "on every address of this machine", which nobody can open. `::` takes IPv4 as well.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import socket
from functools import lru_cache
from pathlib import Path
from typing import Final

EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})
HOST_NAME: Final = re.compile(r"^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$")
ABSENT: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
PRIVILEGED: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
# Addresses for documentation (RFC 5737, RFC 3849): nothing is sent to them, the kernel only chooses a way.
FAR: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


class CannotListen(OSError):
    """Nobody can listen there. The text says why and what to do."""


def host(text: str) -> str:
    """Read the setting: an address or a name, IPv6 with or without brackets.

    Raises:
        ValueError: It is neither.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    if not HOST_NAME.match(bare) or re.fullmatch(r"[0-9.]+", bare):
        raise ValueError(
            "has to be an address or a name of this machine alone, such as 127.0.0.1, ::1, 0.0.0.0 or "
            "localhost; the port is TUTTI_PORT, and what people type is TUTTI_PUBLIC_URL"
        )
    return bare


def authority(host: str, port: int | None = None) -> str:
    """`host:port` as it stands in a URL."""
    name = f"[{host.replace('%', '%25')}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def is_address(host: str) -> bool:
    """Whether this is a bare address, IPv6 without brackets, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(4096)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def own(host: str) -> str:
    """Where this machine itself reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def opened(host: str) -> str:
    """Where other machines, as far as this one knows, reach a server that listens on `host`."""
    return _outward(host == "::") if host in EVERY_ADDRESS else host


@lru_cache(2)
def _outward(ipv6: bool) -> str:
    """This machine's address on its way to others; its loopback where there is no way out."""
    for family, far in FAR if ipv6 else FAR[:1]:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((far, 9))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return "127.0.0.1"


def url(scheme: str, host: str, port: int) -> str:
    """An address to open, without the port where the scheme has it already."""
    usual = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{authority(host, None if port == usual else port)}"


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets to listen on, one for each address of a name; the one of `::` takes IPv4 too.

    Raises:
        CannotListen: They cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotListen(_why(error, host, port)) from error
    made: list[socket.socket] = []
    absent: OSError | None = None
    for family, place in dict.fromkeys((family, place) for family, _, _, _, place in found):
        try:
            made.append(_listens(family, place, dual=host == "::"))
        except OSError as error:
            if error.errno in ABSENT:  # `localhost` has an address of IPv6 on machines without it
                absent = error
                continue
            for one in made:
                one.close()
            raise CannotListen(_why(error, host, port)) from error
    if not made:
        raise CannotListen(_why(absent, host, port)) from absent
    return made


def try_sockets(folder: Path) -> None:
    """Make a socket in a folder for a moment, as our parts will.

    Raises:
        CannotListen: The disk has none.
    """
    probe = folder / f".probe-{os.getpid()}.sock"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
            made.bind(str(probe))
    except OSError as error:
        raise CannotListen(
            f"no socket can be made in {folder}: {error.strerror or error}. Disks such as exFAT, SMB and "
            "some shared folders have none: set TUTTI_RUN to a folder of a local disk, such as /run/tutti"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def _listens(family: int, place: object, *, dual: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not dual))
        made.bind(place)  # type: ignore[arg-type]
    except OSError:
        made.close()
        raise
    return made


def _why(error: Exception | None, host: str, port: int) -> str:
    number = getattr(error, "errno", None)
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return (
            f"TUTTI_HOST={host} has no address here: the name cannot be resolved. Use an address of this "
            "machine, such as 127.0.0.1, or 0.0.0.0 for all of them"
        )
    if number == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use by another program. Choose another: TUTTI_PORT={_next(port)}"
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"Port {port} of {host} needs a right that this account lacks: ports below {_first_free()} are "
            "for root. Use TUTTI_PORT=8000, or let the account have it (sysctl "
            f"net.ipv4.ip_unprivileged_port_start={port}, or in systemd "
            "AmbientCapabilities=CAP_NET_BIND_SERVICE)"
        )
    if number == errno.EADDRNOTAVAIL:
        return f"TUTTI_HOST={host} is no address of this machine. `ip address` lists those that are"
    if number == errno.EAFNOSUPPORT:
        return f"TUTTI_HOST={host}: this machine has no {'IPv6' if ':' in host else 'IPv4'}"
    return f"Nobody can listen on port {port} of {host}: {getattr(error, 'strerror', None) or error}"


def _next(port: int) -> int:
    return port + 1 if port < 65535 else 8000


def _first_free() -> int:
    try:
        return int(PRIVILEGED.read_text())
    except (OSError, ValueError):
        return 1024
