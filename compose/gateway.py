"""What the gateway may not look up itself: the ledger's web nodes and canary, and the key of links."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from nginx import gateway
from nginx.node import Backends, Canary, WebNode, parse_nodes
from tasks.ledger import Ledger
from tasks.ledger import WebNode as Registered
from tasks.ledger.canary import CanaryTable
from tasks.ledger.operating import opened
from tasks.settings import Settings
from web.links import key_of
from web.seal import secret_of

SILENT = 10.0  # seconds without a sign of life until a node gets nothing
GONE = 3_600.0  # seconds until it is forgotten


def run(settings: Settings) -> int:
    """Run nginx, in step with the nodes that live and with the canary, until SIGTERM."""
    ledger, lanes = Ledger.of(settings), CanaryTable(opened(settings.ledger))
    try:
        return gateway.run(
            settings, backends=_look(settings, ledger, lanes), secret=key_of(secret_of(settings))
        )
    finally:
        ledger.close()


def _look(settings: Settings, ledger: Ledger, lanes: CanaryTable) -> Callable[[], Backends]:
    named = parse_nodes(settings.web_nodes)

    def look() -> Backends:
        canary = lanes.get()
        share = Canary(canary.percent) if canary and canary.active else None
        nodes = (
            named
            or living(ledger.web_nodes(), time.time(), settings.node)
            or gateway.own_node(settings).nodes
        )
        return Backends(nodes, share)

    return look


def living(nodes: Sequence[Registered], now: float, here: str) -> tuple[WebNode, ...]:
    """List the nodes of the last hour in a fixed order; those that are silent or unwell get nothing.

    A socket of another machine (`here` is this one's name) cannot be reached and is left out.
    """
    recent = (
        node
        for node in nodes
        if now - node.seen_at < GONE and (node.node == here or not node.address.startswith("unix:"))
    )
    return tuple(
        sorted(WebNode(node.address, healthy=node.healthy and now - node.seen_at < SILENT) for node in recent)
    )
