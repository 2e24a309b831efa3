"""Which bytes of which log files the digest holds, by its files' names alone: cheap enough for who serves."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WINDOW = 1 << 16  # bytes in which a first line ends
NAME = re.compile(
    r"^(?P<identity>[0-9a-f]{24})-(?P<begin>\d+)-(?P<end>\d+)-(?P<first>\d+)-(?P<last>\d+)\.parquet$"
)


@dataclass(frozen=True, order=True)
class Segment:
    """One Parquet file, and what its name says; times in milliseconds since the epoch."""

    identity: str
    begin: int
    end: int
    first: int
    last: int
    path: Path

    @classmethod
    def of(cls, path: Path) -> Segment | None:
        """Read a name; None where it is none."""
        found = NAME.match(path.name)
        if found is None:
            return None
        begin, end, first, last = (int(found[name]) for name in ("begin", "end", "first", "last"))
        return cls(found["identity"], begin, end, first, last, path)


def is_whole(path: Path) -> bool:
    """Whether a Parquet file has its begin and its end; both say PAR1."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        begins = file.read(4)
        file.seek(-4, os.SEEK_END)
        return begins == file.read(4) == b"PAR1"
    return False


def segments(folder: Path) -> list[Segment]:
    """All that are whole in a folder, in order; of two that overlap the larger."""
    found = sorted(
        (one for path in folder.glob("*.parquet") if (one := Segment.of(path)) and is_whole(path)),
        key=lambda one: (one.identity, one.begin, -one.end),
    )
    kept: list[Segment] = []
    for one in found:
        if kept and kept[-1].identity == one.identity and one.begin < kept[-1].end:
            continue
        kept.append(one)
    return kept


def covered(identity: str, known: Sequence[Segment]) -> int:
    """Bytes of a log file, from its begin, that are in segments."""
    end = 0
    for one in known:
        if one.identity == identity and one.begin == end:
            end = one.end
    return end


def behind(folder: Path, paths: Sequence[Path]) -> int:
    """Bytes of log files that no segment holds."""
    known, left = segments(folder), 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            named = identity(path)
            if named:
                left += max(0, path.stat().st_size - covered(named, known))
    return left


def identity(path: Path) -> str | None:
    """Name a file by its first line, which it keeps when it is renamed; None while there is no whole one."""
    with path.open("rb") as file:
        first = file.read(WINDOW)
    line, newline, _ = first.partition(b"\n")
    return hashlib.blake2b(line, digest_size=12).hexdigest() if newline else None
