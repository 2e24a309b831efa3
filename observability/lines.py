"""A file of lines that many processes append to and that may be renamed under them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from observability import metrics
from observability.rotation import RotationLimits, rotate
from observability.unshipped import Loss

LOOK_SECONDS = 0.5  # how often a writer looks whether its file was renamed or has outgrown its bounds
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class LineFile:
    """Appends whole lines, each with one write, and follows the file's name through rotation.

    `O_APPEND` makes one `write` of a regular local file atomic among processes. A full or missing disk never
    raises into the caller: serving goes on, and `tutti_log_dropped_lines_total` counts what was lost.

    Args:
        path: The file; its folder is made if it is missing.
        bounds: When this writer itself rotates it; None leaves that to others.
        on_loss: Told of each rotated file that had to be deleted before it was shipped.
    """

    def __init__(
        self,
        path: Path,
        bounds: RotationLimits | None = None,
        on_loss: Callable[[Loss], None] = lambda _: None,
    ) -> None:
        self.path = path
        self.bounds = bounds
        self._on_loss = on_loss
        self._file = -1
        self._inode = 0
        self._look_at = 0.0
        self._torn = False
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """Append `line`, which ends with a newline."""
        now = time.monotonic()
        if now >= self._look_at:
            self._rotate_or_reopen(now)
        try:
            data = b"\n" + line if self._torn else line
            self._torn = os.write(self._file, data) < len(data)
            if self._torn:
                metrics.log_dropped.inc()
        except OSError:
            metrics.log_dropped.inc()

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
            self._file, self._inode, self._look_at = -1, 0, 0.0

    def _rotate_or_reopen(self, now: float) -> None:
        losses: list[Loss] = []
        with self._lock, contextlib.suppress(OSError):
            self._look_at = now + LOOK_SECONDS
            if self.bounds:
                rotate(self.path, self.bounds, on_loss=losses.append)
            if self._file < 0 or self._renamed():
                self._open()
        for loss in losses:  # not before the lock is free, because the warning is a line in this very file
            self._on_loss(loss)

    def _renamed(self) -> bool:
        try:
            return self.path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def _open(self) -> None:
        """Point the descriptor at the file of that name; its number stays, for other threads' writes."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, FLAGS, 0o640)
        if self._file < 0:
            self._file = file
        else:
            os.dup2(file, self._file, inheritable=False)
            os.close(file)
        self._inode = os.fstat(self._file).st_ino
