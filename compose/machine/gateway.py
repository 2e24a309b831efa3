"""What the gateway may not look up itself: the ledger's web nodes and canary, and the key of links."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from compose.machine.names import Names
from nginx import gateway
from nginx.node import Backends, CanaryShare, Upstream, parse_nodes
from observability.logging import get_logger
from tasks.cluster import Reporter, open_ledger
from tasks.ledger import Ledger
from tasks.ledger import WebNode as Registered
from tasks.security.links import gateway_token, key_of
from tasks.security.secret import secret_of
from tasks.settings import LOCAL, Settings

SILENT = 10.0  # seconds without a sign of life until a node gets nothing
GONE = 3_600.0  # seconds until it is forgotten
ITS_OWN = ("unix:", LOCAL)  # what begins an address that only the node's own machine can reach

log = get_logger()


def run(settings: Settings, *, watch: bool = True) -> int:
    """Run nginx until SIGTERM, in step with the nodes that live and with the canary (`watch`)."""
    gateway.begin(settings)
    ledger = open_ledger(settings)
    reporter = Reporter(ledger, "gateway", settings.node)
    try:
        return gateway.run(
            settings,
            backends=_telling(_asking(settings, ledger), reporter),
            secret=key_of(secret_of(settings)),
            token=gateway_token(key_of(secret_of(settings))),
            follow=watch,
        )
    finally:
        reporter.leave()
        ledger.close()


def _telling(ask: Callable[[], Backends], reporter: Reporter) -> Callable[[], Backends]:
    """The same question; each answer also tells the others how this gateway is."""

    def ask_and_tell() -> Backends:
        found = ask()
        unwell = [node.address for node in found.nodes if not node.healthy]
        blind = None if found.nodes else "it knows no web node"
        reason = f"sends nothing to {', '.join(unwell)}: unwell or silent" if unwell else blind
        reporter.report("blind" if blind else "ready", reason, {"nodes": len(found.nodes)})
        return found

    return ask_and_tell


def _asking(settings: Settings, ledger: Ledger) -> Callable[[], Backends]:
    named, names, alone = parse_nodes(settings.web_nodes), Names(), Alone(settings.node)

    def ask() -> Backends:
        canary = ledger.canaries.get()
        share = CanaryShare(canary.percent, canary.version) if canary and canary.active else None
        if named:
            return Backends(_numbered(named, names), share)
        registered = ledger.web_nodes.all()
        alone.register(registered)
        nodes = living(registered, ledger.now(), settings.node, names.numeric)
        return Backends(nodes or gateway.own_node(settings).nodes, share)

    return ask


def living(
    nodes: Sequence[Registered], now: float, here: str, numeric: Callable[[str, float], str | None]
) -> tuple[Upstream, ...]:
    """List the nodes of the last hour in a fixed order; those that are silent or unwell get nothing.

    Left out is what cannot be reached: what only its own machine can reach, where `here`, this one's name, is
    another; and a name without a `numeric` address.
    """
    reached = {
        Upstream(address, healthy=node.healthy and now - node.seen_at < SILENT)
        for node in nodes
        if now - node.seen_at < GONE
        and (node.node == here or not node.address.startswith(ITS_OWN))
        and (address := numeric(node.address.removeprefix(LOCAL), now))
    }
    return tuple(sorted(reached))


def _numbered(nodes: Sequence[Upstream], names: Names) -> tuple[Upstream, ...]:
    """The nodes of TUTTI_WEB_NODES with their names looked up: nginx would wait for a name service."""
    now = time.time()
    return tuple(
        replace(node, address=address) for node in nodes if (address := names.numeric(node.address, now))
    )


class Alone:
    """Says once of each web node that another machine's gateway cannot reach it.

    Args:
        here: This machine's name.
    """

    def __init__(self, here: str) -> None:
        self._here, self._told = here, set[str]()

    def register(self, nodes: Sequence[Registered]) -> None:
        """Look through the registered nodes."""
        for node in nodes:
            if node.node == self._here or node.node in self._told or not node.address.startswith(ITS_OWN):
                continue
            self._told.add(node.node)
            log.warning(
                "gateway.unreachable",
                message=f"web node {node.node} listens for its own machine alone and gets nothing from here; "
                "set TUTTI_HOST, or TUTTI_ADVERTISE, on it",
            )
