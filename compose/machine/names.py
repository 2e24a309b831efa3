"""Names of web nodes, looked up beside the gateway's work: a name service that hangs holds up nothing."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass

from observability.logging import get_logger
from tasks.settings import listening

ASK_AGAIN = 30.0  # seconds
PATIENCE = 0.5  # seconds that the first question about a name may take of the gateway's own time

log = get_logger()


@dataclass
class Known:
    """What is known of one name: its address, once there was one, and the question under way."""

    address: str | None = None
    asked: float = float("-inf")
    question: threading.Thread | None = None
    complained: bool = False


class Names:
    """Turns `name:port` into `address:port`. nginx would look names up itself, at each reload, and wait.

    A name keeps its last address while the name service is away.
    """

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def numeric(self, address: str, now: float) -> str | None:
        """The address with its name as a number; None while the name has none. Takes half a second at most.

        Args:
            address: `host:port`, `[IPv6]:port` or `unix:/path`.
            now: Seconds, of any clock.
        """
        host, _, port = address.rpartition(":")
        if address.startswith("unix:") or listening.is_address(host.strip("[]")):
            return address
        known = self._known.setdefault(host, Known())
        if now - known.asked >= ASK_AGAIN and not (known.question and known.question.is_alive()):
            self._ask(host, known, now)
        if known.address is None:
            _complain(host, known)
            return None
        return f"[{known.address}]:{port}" if ":" in known.address else f"{known.address}:{port}"

    def _ask(self, host: str, known: Known, now: float) -> None:
        first = known.question is None
        known.asked = now
        known.question = threading.Thread(target=_look_up, args=(host, known), daemon=True)
        known.question.start()
        if first:
            known.question.join(PATIENCE)


def _look_up(host: str, known: Known) -> None:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    addresses = {str(place[0]): family != socket.AF_INET for family, _, _, _, place in found}
    if addresses and known.address not in addresses:
        known.address = min(addresses, key=lambda address: (addresses[address], address))


def _complain(host: str, known: Known) -> None:
    if not known.complained:
        known.complained = True
        log.warning(
            "gateway.unknown_host",
            message=f"{host} has no address here, so that web node gets nothing; set its TUTTI_ADVERTISE",
        )
