"""Log files by time: which of them, and which part of each, tell of a span; found without reading the rest.

Lines of a file follow each other in time, give or take what processes that share it differ.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WANTED = ("job.succeeded", "job.failed", "job.accepted", "job.refused", "worker.heartbeat", "queue.state")
_ACTION = re.compile(
    rb'"action":\s*"(?:' + b"|".join(re.escape(action.encode()) for action in WANTED) + rb')"'
)
_TIME = re.compile(rb'"@timestamp":\s*"([^"]{10,40})"')
SLACK = dt.timedelta(minutes=5)
WINDOW = 1 << 16  # bytes in which some line has a time
BLOCK = 8 << 20


@dataclass(frozen=True)
class Slice:
    """Some bytes of a log file, from the start of a line to the end of one."""

    path: Path
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.begin

    def wanted(self) -> Iterator[bytes]:
        """The lines that a panel asks for, in blocks of whole lines."""
        rest = b""
        with self.path.open("rb") as file:
            file.seek(self.begin)
            left = self.size
            while left and (block := file.read(min(BLOCK, left))):
                left -= len(block)
                whole, newline, rest = (rest + block).rpartition(b"\n")
                yield _pick(whole + newline)
        if rest:
            yield _pick(rest + b"\n")


def _pick(block: bytes) -> bytes:
    return b"".join(line for line in block.splitlines(keepends=True) if _ACTION.search(line))


def part(
    path: Path, since: dt.datetime | None, begin: int = 0, until: dt.datetime | None = None
) -> Slice | None:
    """The part of a file that may tell of a span; None where no line of it can.

    Args:
        path: The file.
        since: The span's begin; None for the file's.
        begin: What is before this byte is not wanted.
        until: The span's end; None for the file's.
    """
    with path.open("rb") as file:
        descriptor, size = file.fileno(), os.fstat(file.fileno()).st_size
        first = _time_at(descriptor, begin)
        if until is not None and first is not None and first > until + SLACK:
            return None
        if since is not None:
            begin = _first_after(descriptor, begin, size, since - SLACK)
    return Slice(path, begin, size) if begin < size else None


def _first_after(file: int, low: int, high: int, moment: dt.datetime) -> int:
    """A start of a line before which all are older; a file without times is wanted whole."""
    start, end = low, high
    while end - start > WINDOW:
        middle = (start + end) // 2
        at = _time_at(file, middle)
        if at is None:
            return low
        if at < moment:
            start = middle
        else:
            end = middle
    last = _last_time(file, high) if end == high else None
    if last is not None and last < moment:
        return high
    return _line_start(file, start, low)


def _line_start(file: int, offset: int, low: int) -> int:
    if offset == low:
        return low
    found = os.pread(file, WINDOW * 16, offset).find(b"\n")
    return offset + found + 1 if found >= 0 else low


def _time_at(file: int, offset: int) -> dt.datetime | None:
    """The time of the first line that begins at `offset` or later and has one."""
    block = os.pread(file, WINDOW, offset)
    return _parsed(_TIME.search(block, block.find(b"\n") + 1 if offset else 0))


def _last_time(file: int, size: int) -> dt.datetime | None:
    found = list(_TIME.finditer(os.pread(file, WINDOW, max(0, size - WINDOW))))
    return _parsed(found[-1] if found else None)


def _parsed(found: re.Match[bytes] | None) -> dt.datetime | None:
    try:
        at = dt.datetime.fromisoformat(found[1].decode()) if found else None
    except ValueError:
        return None
    return at if at is None or at.tzinfo else at.replace(tzinfo=dt.UTC)
