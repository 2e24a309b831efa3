"""Rotation of line files by rename, so that no line is copied, cut or written twice.

`web.jsonl` becomes `web.20261123T110452-0.jsonl` beside it. Writers notice the missing inode and open a new
file; the shipper follows inodes, so it reads an old file to its end under any name. Truncating in place
(logrotate's `copytruncate`) is what this avoids: it loses what is written between the copy and the cut.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from observability.unshipped import Loss, Unshipped

HEAD = 4096
DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class RotationLimits:
    """How large and old a line file may get, and how much of the rotated ones is kept.

    Attributes:
        bytes: Size at which the file is rotated.
        seconds: Age of its first line at which it is rotated.
        keep_bytes: Rotated files beyond this sum are deleted, oldest first.
        keep_seconds: Rotated files unchanged for longer are deleted.
        keep_unshipped_bytes: Those not shipped yet stay until this sum, however old they are.
        checkpoint: Where the shipper says what it has delivered, seen from the file's folder.
    """

    bytes: int = 256 << 20
    seconds: float = DAY
    keep_bytes: int = 4 << 30
    keep_seconds: float = 30 * DAY
    keep_unshipped_bytes: int = 16 << 30
    checkpoint: Path = Path("../ship/checkpoint.json")


def rotated(path: Path) -> list[Path]:
    """List the rotated files of `path`, oldest first."""
    return sorted(p for p in path.parent.glob(f"{path.stem}.*{path.suffix}") if p != path)


def _first_line_at(file: int) -> float | None:
    head = os.pread(file, HEAD, 0).split(b"\n", 1)[0]
    try:
        stamp = orjson.loads(head)["@timestamp"]
        return dt.datetime.fromisoformat(stamp).timestamp()
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def is_due(file: int, bounds: RotationLimits, now: float) -> bool:
    """Whether the open file has outgrown its bounds."""
    size = os.fstat(file).st_size
    if size >= bounds.bytes:
        return True
    began = _first_line_at(file) if size else None
    return began is not None and now - began >= bounds.seconds


def rotate(
    path: Path, bounds: RotationLimits, now: float | None = None, *, on_loss: Callable[[Loss], None]
) -> Path | None:
    """Rename `path` if it is due, and delete rotated files beyond the bounds.

    Safe beside other processes that write or rotate the same file: an advisory lock on the file itself
    and a look at its inode let one of them win.

    Args:
        path: The line file, which may be missing.
        bounds: When to rotate and what to keep.
        now: Seconds since the epoch; the clock's by default.
        on_loss: Told of each file that had to be deleted before it was shipped.

    Returns:
        The file's new name, or None if nothing was renamed.
    """
    now = dt.datetime.now(dt.UTC).timestamp() if now is None else now
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not is_due(file, bounds, now) or not _lock(file, path):
            return None
        target = _free_name(path, now)
        path.rename(target)
    finally:
        os.close(file)
    for loss in prune(path, bounds, now):
        on_loss(loss)
    return target


def _lock(file: int, path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(file).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _free_name(path: Path, now: float) -> Path:
    stamp = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y%m%dT%H%M%S")
    count = 0
    while (target := path.with_name(f"{path.stem}.{stamp}-{count}{path.suffix}")).exists():
        count += 1
    return target


def prune(path: Path, bounds: RotationLimits, now: float) -> list[Loss]:
    """Delete the rotated files of `path` that are too old or too many, those not shipped last.

    Returns:
        What was deleted before it was shipped.
    """
    losses, total, unshipped = [], 0, Unshipped(path.parent / bounds.checkpoint)
    for old in reversed(rotated(path)):
        with contextlib.suppress(FileNotFoundError):
            status = old.stat()
            total += status.st_size
            if total <= bounds.keep_bytes and now - status.st_mtime <= bounds.keep_seconds:
                continue
            left = unshipped.bytes_of(old)
            if left and total <= bounds.keep_unshipped_bytes:
                continue
            old.unlink()
            if left:
                losses.append(Loss(old, left))
    return losses
