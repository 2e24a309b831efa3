"""Lines on their way from a file to the server."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from observability.shipper.lane import LINES_MAX

if TYPE_CHECKING:
    from observability.shipper.source import Source

BLOCK = 2 << 20  # bytes of a file read at once
LINE_MAX = 1 << 20  # longer lines are dead letters


class Line(NamedTuple):
    """One line, its place in its file and the id it has in Elasticsearch for ever."""

    id: bytes
    offset: int
    text: bytes


@dataclass
class Batch:
    """Lines of one file that travel together.

    Attributes:
        source: Where they come from.
        lines: Those to deliver, in order.
        oversize: Offsets of lines too long to deliver, with their beginnings.
        end: Offset after the last line.
        since: The data stream's generation before these lines were first sent.
        suspect: Whether they may have been sent by an earlier life of this shipper.

    """

    source: Source
    lines: list[Line]
    end: int
    oversize: list[Line] = field(default_factory=list)
    repaired: int = 0
    since: int = 0
    suspect: bool = False

    @property
    def full(self) -> bool:
        """Whether there is probably more to read at once."""
        return len(self.lines) >= LINES_MAX or self.source.behind > BLOCK // 4


@dataclass(frozen=True)
class Pending:
    """A batch that is on its way: its end, the generation before it was first sent, and when it was read."""

    done: Future[None]
    end: int
    tail: str
    since: int
    read_at: float
