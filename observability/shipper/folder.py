"""Which files are followed: those that match, found again by inode after a rename or a restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from observability.logging import warn_of_loss
from observability.shipper.flow import Flow
from observability.shipper.source import Source
from observability.unshipped import Loss

UNSEEN_MAX = 200
HELD_MAX = 1 << 30  # bytes not shipped of deleted files, which take disk as long as they are open
PACKED = {".gz", ".xz", ".zst", ".bz2", ".tmp"}


def stream_of(path: Path, namespace: str = "default") -> str:
    """Name the data stream of a log file: `web.20261123T110452-0.jsonl` goes to `logs-tutti.web-default`."""
    return f"logs-tutti.{path.name.split('.')[0].lower()}-{namespace}"


class Folder:
    """The log files that match some patterns.

    Args:
        patterns: Absolute glob patterns, such as `/srv/tutti/log/*.jsonl*`.
        saved: The checkpoint's entries.
        name_stream: Gives the data stream for a path.
        suspect: Nothing is known of what was sent, so all that is there now has to be looked for.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        saved: Sequence[dict[str, Any]],
        name_stream: Callable[[Path], str] = stream_of,
        *,
        suspect: bool = False,
    ) -> None:
        self.patterns = patterns
        self.sources: dict[tuple[int, int], Source] = {}
        self._saved = {(entry["device"], entry["inode"]): entry for entry in saved}
        self._name_stream = name_stream
        self._suspect = suspect
        self._flows: dict[str, Flow] = {}

    def scan(self) -> None:
        """Open what is new, learn new names, and let go of files that are gone and read to their end."""
        seen = set()
        for path in self._paths():
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # renamed since it was listed; the next scan finds it
            key = (status.st_dev, status.st_ino)
            if key in self.sources:
                self.sources[key].path = path
                seen.add(key)
            elif opened := self._open(path):
                seen.add(opened)
        self._let_go([source for key, source in self.sources.items() if key not in seen])

    def _paths(self) -> list[Path]:
        found = {path for pattern in self.patterns for path in Path("/").glob(pattern.lstrip("/"))}
        return sorted(path for path in found if path.suffix not in PACKED and path.is_file())

    def _open(self, path: Path) -> tuple[int, int] | None:
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None  # renamed or not readable; the next scan tries again
        stream = self._name_stream(path)
        source = Source(path, file, self._flows.setdefault(stream, Flow(stream)))
        if source.key in self.sources:
            source.close()
            return source.key
        source.former = self._saved.pop(source.key, None)
        if not (source.former and source.resume(source.former)) and not self._resume_copy(source):
            source.close()
            return None
        if self._suspect and source.former is None:
            source.suspect_to = source.size()
        self.sources[source.key] = source
        return source.key

    def _resume_copy(self, source: Source) -> bool:
        """Go on where the original of a copy was; says whether this file can be read now."""
        entries = [*self._saved.values(), *(other.saved() for other in self.sources.values())]
        entries += [other.former for other in self.sources.values() if other.former]
        told = [(entry, source.copies(entry)) for entry in entries]
        for entry in (entry for entry, copied in told if copied):
            return source.resume(entry)
        return not any(copied is None for _, copied in told)

    def _let_go(self, gone: list[Source]) -> None:
        """Close files that lost their name and are done, and the oldest others if they hold too much disk."""
        held = 0
        for source in reversed(gone):
            held += source.behind if source.deleted else 0
            if source.deleted and source.behind and held > HELD_MAX:
                warn_of_loss(Loss(source.path, source.behind))
                self._close(source)
            elif source.idle and not source.behind and (source.deleted or source.silent):
                self._close(source)

    def _close(self, source: Source) -> None:
        if not source.deleted:  # it was moved elsewhere, and may come back
            self._saved[source.key] = source.saved()
        source.close()
        del self.sources[source.key]

    def unseen(self) -> list[dict[str, Any]]:
        """The checkpoint's entries whose files are not here now, such as those of a folder not mounted."""
        return list(self._saved.values())[-UNSEEN_MAX:]

    def close(self) -> None:
        """Close every file."""
        for source in self.sources.values():
            source.close()
        self.sources.clear()
