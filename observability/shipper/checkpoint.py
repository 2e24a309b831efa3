"""What a shipper remembers over a restart, on disk before it matters.

An entry's `offset` is acknowledged; lines from there to `reserved` may or may not have arrived when the
shipper died. `streams` holds, for each data stream, the generation of its backing index from which on those
lines have to be looked for.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import orjson

from observability import statefile

VERSION = 2  # 1 knew no copies of files


class OtherVersion(ValueError):
    """The state is one that another version of the shipper wrote. The text says what to do."""


class StateInUse(RuntimeError):
    """Another shipper uses the same state."""


class ShipperCheckpoint:
    """The file `checkpoint.json` in the shipper's state folder, held by one process at a time.

    Args:
        folder: The state folder; made if it is missing.

    Raises:
        StateInUse: Another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lost = False
        self.path = folder / "checkpoint.json"
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StateInUse(f"another shipper runs with {folder}; stop it first") from None

    def load(self) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """Read the files' entries and the streams' generations; both empty at the first start.

        A file that cannot be read any more is set aside, and `lost` tells it: any line there is may have been
        sent already.

        Raises:
            OtherVersion: The file is another version's; it says which.
        """
        there = self.path.exists()
        saved = statefile.read(self.path, _parse)
        if saved is None:
            self.lost = there
            return [], {}
        if saved["version"] != VERSION:
            raise OtherVersion(
                f"{self.path} is of version {saved['version']}, not {VERSION}; move it away, and "
                "the lines of the files that are there are shipped again"
            )
        return saved["files"], saved["streams"]

    def save(self, files: list[dict[str, Any]], streams: dict[str, int]) -> None:
        """Replace the checkpoint, synced to disk: after a power cut it is the old one or this one."""
        body = orjson.dumps({"version": VERSION, "files": files, "streams": streams})
        statefile.write(self.path, body)

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)


def _parse(content: bytes) -> dict[str, Any]:
    """A checkpoint with all that the shipper asks of it."""
    saved: dict[str, Any] = orjson.loads(content)
    int(saved["version"])
    if saved["version"] == VERSION:
        for entry in saved["files"]:
            for name in ("device", "inode", "head_bytes", "origin", "generation", "offset", "reserved"):
                if type(entry[name]) is not int:
                    raise ValueError(f"{name} is no number")
            if not (type(entry["head"]) is type(entry["tail"]) is str):
                raise ValueError("head and tail are no text")
        if not all(type(number) is int for number in dict(saved["streams"]).values()):
            raise ValueError("a generation is no number")
    return saved
