"""What the gateway may not look up itself: the ledger's web nodes and canary, and the key of links."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

from nginx import gateway
from nginx.node import Backends, Canary, WebNode, parse_nodes
from observability.logging import get_logger
from tasks.ledger import Ledger
from tasks.ledger import WebNode as Registered
from tasks.ledger.canary import CanaryTable
from tasks.ledger.operating import opened
from tasks.settings import Settings
from web.links import key_of
from web.seal import secret_of

SILENT = 10.0  # seconds without a sign of life until a node gets nothing
GONE = 3_600.0  # seconds until it is forgotten
ASK_AGAIN = 30.0  # seconds until a name without an address is looked up again

log = get_logger()


def run(settings: Settings, *, watch: bool = True) -> int:
    """Run nginx until SIGTERM, in step with the nodes that live and with the canary (`watch`)."""
    ledger, lanes = Ledger.of(settings), CanaryTable(opened(settings.ledger))
    try:
        return gateway.run(
            settings,
            backends=_look(settings, ledger, lanes),
            secret=key_of(secret_of(settings)),
            follow=watch,
        )
    finally:
        ledger.close()


def _look(settings: Settings, ledger: Ledger, lanes: CanaryTable) -> Callable[[], Backends]:
    named, known = parse_nodes(settings.web_nodes), Names()

    def look() -> Backends:
        canary = lanes.get()
        share = Canary(canary.percent) if canary and canary.active else None
        nodes = (
            named
            or living(ledger.web_nodes(), time.time(), settings.node, known)
            or gateway.own_node(settings).nodes
        )
        return Backends(nodes, share)

    return look


class Names:
    """Which machines' names have an address; nginx takes no configuration that names another one.

    A name that had one once is good for ever: nginx keeps what it knows while the name service is away.
    """

    def __init__(self) -> None:
        self._good: set[str] = set()
        self._asked: dict[str, float] = {}

    def __call__(self, address: str, now: float) -> bool:
        """Whether nginx can take this node's address; what has none is asked about again in a while."""
        host = address.rpartition(":")[0].strip("[]")
        if address.startswith("unix:") or host in self._good:
            return True
        if now - self._asked.get(host, float("-inf")) < ASK_AGAIN:
            return False
        self._asked[host] = now
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError):
            log.warning(
                "gateway.unknown_host",
                message=f"{host} has no address here, so that web node gets nothing; set its TUTTI_ADVERTISE",
            )
            return False
        self._good.add(host)
        return True


def living(
    nodes: Sequence[Registered], now: float, here: str, known: Callable[[str, float], bool]
) -> tuple[WebNode, ...]:
    """List the nodes of the last hour in a fixed order; those that are silent or unwell get nothing.

    Left out is what cannot be reached: a socket of another machine (`here` is this one's name), and a name
    that is not `known` to have an address.
    """
    recent = (
        node
        for node in nodes
        if now - node.seen_at < GONE
        and (node.node == here or not node.address.startswith("unix:"))
        and known(node.address, now)
    )
    return tuple(
        sorted(WebNode(node.address, healthy=node.healthy and now - node.seen_at < SILENT) for node in recent)
    )
