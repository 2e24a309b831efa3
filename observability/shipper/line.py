"""One line on its way from a file to the server, and what is remembered of lines that are under way."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

BLOCK = 2 << 20  # bytes of a file read at once
LINE_MAX = 1 << 20  # longer lines are dead letters


class Line(NamedTuple):
    """One line, its place in its file and the id it has in Elasticsearch for ever."""

    id: bytes
    offset: int
    text: bytes


@dataclass(frozen=True)
class PendingBatch:
    """A batch that is on its way: its end, the generation before it was first sent, and when it was read."""

    done: Future[None]
    end: int
    tail: str
    since: int
    read_at: float
