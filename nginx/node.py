"""What stands behind the gateway: web nodes, and the share of a canary."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

ADDRESS = re.compile(r"^(?:unix:/[^\x00-\x1f$]+|\[[0-9a-fA-F:]+\]:\d{1,5}|[A-Za-z0-9.-]+:\d{1,5})$")


@dataclass(frozen=True, order=True)
class Upstream:
    """One web process that answers requests.

    Attributes:
        address: `host:port` or `unix:/path`.
        weight: Its share among the others.
        backup: Asked only when no other answers.
        healthy: False leaves it in the list but sends it nothing.
    """

    address: str
    weight: int = 1
    backup: bool = False
    healthy: bool = True

    def __post_init__(self) -> None:
        if not ADDRESS.match(self.address):
            raise ValueError(f"web node {self.address!r} is neither host:port nor unix:/path")


@dataclass(frozen=True)
class CanaryShare:
    """The share of clients that go to the canary lane: `percent` (0 to 100) of them.

    Attributes:
        percent: The share.
        version: The model's version there, for the log.
    """

    percent: float = 0.0
    version: str = ""


@dataclass(frozen=True)
class Backends:
    """All that may change while the gateway runs; two that are equal give the same configuration."""

    nodes: tuple[Upstream, ...] = field(default=())
    canary: CanaryShare | None = None

    def usable(self) -> tuple[Upstream, ...]:
        """List the nodes with their health; if all are unwell, all are asked rather than none."""
        if any(node.healthy for node in self.nodes):
            return self.nodes
        return tuple(Upstream(node.address, node.weight, node.backup) for node in self.nodes)


def parse_nodes(text: str) -> tuple[Upstream, ...]:
    """Read TUTTI_WEB_NODES: `10.0.0.5:8001 weight=2, 10.0.0.6:8001 backup`.

    Raises:
        ValueError: An entry cannot be read.
    """
    return tuple(_parse_node(entry.split()) for entry in text.split(",") if entry.strip())


def _parse_node(words: list[str]) -> Upstream:
    address, *options = words
    weight, backup = 1, False
    for option in options:
        if option == "backup":
            backup = True
        elif match := re.fullmatch(r"weight=([1-9]\d{0,3})", option):
            weight = int(match[1])
        else:
            raise ValueError(f"web node {address}: {option!r} is neither 'weight=N' nor 'backup'")
    return Upstream(address, weight, backup)
