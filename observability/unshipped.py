"""What of a log file `tutti ship` has not delivered yet, read from its checkpoint by those who delete files.

It does not import the shipper, because every process that logs rotates its own file.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import orjson


class Loss(NamedTuple):
    """A file that was deleted before all of it was delivered."""

    path: Path
    bytes: int


def fingerprint(file: int, length: int, at: int = 0) -> str:
    """Hash some bytes of an open file, by which it is known again when its inode is used anew."""
    return hashlib.blake2b(os.pread(file, length, at), digest_size=8).hexdigest()


class Unshipped:
    """What a checkpoint says of files; where there is none, nothing waits to be shipped.

    Args:
        checkpoint: The shipper's `checkpoint.json`; if it is damaged, everything counts as not delivered.
    """

    def __init__(self, checkpoint: Path) -> None:
        self._ships = checkpoint.exists()
        self._entries: dict[tuple[int, int], dict[str, Any]] = {}
        try:
            files = orjson.loads(checkpoint.read_bytes())["files"]
            self._entries = {(entry["device"], entry["inode"]): entry for entry in files}
        except (OSError, ValueError, KeyError, TypeError):
            return

    def bytes_of(self, path: Path) -> int:
        """Bytes of the file that are not known to be delivered.

        Raises:
            OSError: The file cannot be read.
        """
        if not self._ships:
            return 0
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(file)
            entry = self._entries.get((status.st_dev, status.st_ino))
            known = entry is not None and fingerprint(file, entry["head_bytes"]) == entry["head"]
            return max(0, status.st_size - (entry["offset"] if entry and known else 0))
        finally:
            os.close(file)
