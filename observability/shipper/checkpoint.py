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

VERSION = 2  # 1 knew no copies of files


class AlreadyRunning(RuntimeError):
    """Another shipper uses the same state."""


class Checkpoint:
    """The file `checkpoint.json` in the shipper's state folder, held by one process at a time.

    Args:
        folder: The state folder; made if it is missing.

    Raises:
        AlreadyRunning: Another process holds it.

    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "checkpoint.json"
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise AlreadyRunning(f"another shipper runs with {folder}; stop it first") from None

    def load(self) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """Read the files' entries and the streams' generations; both empty at the first start.

        Raises:
            ValueError: The file is not one of ours; it says which.

        """
        try:
            saved = orjson.loads(self.path.read_bytes())
            if saved["version"] != VERSION:
                raise ValueError(
                    f"{self.path} is of version {saved['version']}, not {VERSION}; move it away, and "
                    "the lines of the files that are there are shipped again"
                )
            return saved["files"], saved["streams"]
        except FileNotFoundError:
            return [], {}
        except (KeyError, TypeError) as problem:
            raise ValueError(f"{self.path} is no checkpoint of tutti ship; move it away") from problem

    def save(self, files: list[dict[str, Any]], streams: dict[str, int]) -> None:
        """Replace the checkpoint, synced to disk: after a power cut it is the old one or this one."""
        body = orjson.dumps({"version": VERSION, "files": files, "streams": streams})
        temporary = self.path.with_suffix(".tmp")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            os.write(file, body)
            os.fdatasync(file)
        finally:
            os.close(file)
        temporary.replace(self.path)

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)
