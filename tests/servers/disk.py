"""Small real disks for storage tests: one that fills, one that can be frozen as a hung NAS is.

Mounting needs root; where a test cannot mount it is skipped with the reason.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests import needs


def _run(*command: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(part) for part in command], check=False, capture_output=True)


def _mount(*arguments: object) -> None:
    done = _run(needs.program("mount"), *arguments)
    if done.returncode:
        needs.missing("the right to mount", f"run as root: {done.stderr.decode().strip()}")


@contextlib.contextmanager
def small(folder: Path, *, size: str = "2m") -> Iterator[Path]:
    """A disk of `size` in memory, at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "none", folder)
    try:
        yield folder
    finally:
        _run("umount", "-l", folder)


def read_only(folder: Path, *, on: bool) -> None:
    """Make the disk at `folder` read-only, or writable again."""
    done = _run("mount", "-o", f"remount,{'ro' if on else 'rw'}", folder)
    assert done.returncode == 0, done.stderr


class Freezable:
    """A disk whose writers hang in the kernel between `freeze` and `thaw`, as on a NAS that went away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def freeze(self) -> None:
        assert _run("fsfreeze", "-f", self.folder).returncode == 0

    def thaw(self) -> None:
        _run("fsfreeze", "-u", self.folder)


@contextlib.contextmanager
def freezable(folder: Path, *, megabytes: int = 8) -> Iterator[Freezable]:
    """A disk of its own in a file, at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    assert _run(needs.program("mkfs.ext4", package="e2fsprogs"), "-q", image).returncode == 0
    needs.program("fsfreeze", package="util-linux")
    _mount("-o", "loop", image, folder)
    disk = Freezable(folder)
    try:
        yield disk
    finally:
        disk.thaw()  # before anything else: a frozen disk cannot be unmounted, nor its writers killed
        _run("umount", "-l", folder)
