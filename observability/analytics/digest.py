"""What the panels ask of old lines, kept beside the log files in columns, so that none is read twice.

A segment is one Parquet file whose name says which bytes of which log file it holds, and of which time:
`IDENTITY-BEGIN-END-FIRST-LAST.parquet`. There is no other state: what is there is whole, and what is missing
or damaged is made again. The web app has it brought up to date from time to time (`web.process.digesting`).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from observability import coverage
from observability.analytics import columns, lines
from observability.analytics.lines import Slice
from observability.coverage import Segment

LARGEST = 256 << 20  # bytes of lines in one segment: what a log file grows to
MERGED = 4  # segments of one file that are made one
KEPT = dt.timedelta(days=45)


class Digest:
    """The folder of segments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def segments(self) -> list[Segment]:
        """All there are, in order; of two that overlap the larger."""
        return coverage.segments(self.folder)

    def missing(self, paths: Sequence[Path], since: dt.datetime | None = None) -> list[Slice]:
        """What of the files no segment holds yet, if it may tell of the time since then."""
        segments, parts = self.segments(), []
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                identity = coverage.identity(path)
                begin = coverage.covered(identity, segments) if identity else 0
                if found := lines.part(path, since, begin):
                    parts.append(found)
        return parts

    def update(self, paths: Sequence[Path]) -> None:
        """Bring it up to date with the files; one process at a time, the others leave it to that one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone() as alone:
            if not alone:
                return
            for left in self.folder.glob(".*.tmp*"):
                left.unlink(missing_ok=True)
            for torn in self.folder.glob("*.parquet"):
                if not coverage.is_whole(torn):
                    torn.unlink(missing_ok=True)
            self._drop_old()
            for whole in self.missing(paths):
                identity = coverage.identity(whole.path)
                for part in _pieces(whole):
                    if identity:
                        self._keep(identity, part)
                if identity:
                    self._merge(identity)

    def _keep(self, identity: str, part: Slice) -> None:
        temporary = self.folder / f".{secrets.token_hex(8)}.tmp"
        lines_file = temporary.with_suffix(".tmp.jsonl")
        try:
            with lines_file.open("wb") as file:
                for block in part.wanted():
                    file.write(block)
            with columns.connect() as database:
                columns.load(database, [lines_file], str(temporary))
                first, last = columns.span(database, temporary)
            name = f"{identity}-{part.begin}-{part.end}-{first}-{last}.parquet"
            _sync(temporary)
            temporary.replace(self.folder / name)
        finally:
            for path in (temporary, lines_file):
                path.unlink(missing_ok=True)

    def _merge(self, identity: str) -> None:
        chain = [one for one in self.segments() if one.identity == identity]
        if len(chain) < MERGED or chain[-1].end - chain[0].begin > LARGEST + (64 << 20):
            return
        temporary = self.folder / f".{secrets.token_hex(8)}.tmp"
        try:
            with columns.connect() as database:
                columns.merge(database, [one.path for one in chain], temporary)
            first = min((one.first for one in chain if one.last), default=0)
            last = max(one.last for one in chain)
            _sync(temporary)
            temporary.replace(
                self.folder / f"{identity}-{chain[0].begin}-{chain[-1].end}-{first}-{last}.parquet"
            )
            for one in chain:
                one.path.unlink(missing_ok=True)
        finally:
            temporary.unlink(missing_ok=True)

    def _drop_old(self) -> None:
        """Forget what no page asks for any more."""
        before = (dt.datetime.now(dt.UTC) - KEPT).timestamp() * 1000
        for one in self.segments():
            if 0 < one.last < before:
                one.path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        file = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(file)


def _pieces(whole: Slice) -> Iterator[Slice]:
    """Cut a part into segments' sizes at ends of lines; the last line is left while it has no end."""
    with whole.path.open("rb") as file:
        begin = whole.begin
        while begin < whole.end:
            end = _line_end(file.fileno(), begin, min(begin + LARGEST, whole.end))
            if end <= begin:
                return
            yield Slice(whole.path, begin, end)
            begin = end


def _line_end(file: int, begin: int, limit: int) -> int:
    """The end of the last whole line before `limit`."""
    end = limit
    while end > begin:
        start = max(begin, end - lines.WINDOW)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return begin


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
