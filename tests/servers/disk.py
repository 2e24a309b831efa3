"""Small real disks for storage tests: they fill, hang, vanish, or lose their power.

Mounting needs root; where a test cannot mount it is skipped with the reason.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import needs
from tests.servers.parent import bound


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
    needs.program("fsfreeze", package="util-linux")
    with _ext4(folder, megabytes):
        disk = Freezable(folder)
        try:
            yield disk
        finally:
            disk.thaw()  # before anything else: a frozen disk cannot be unmounted, nor its writers killed
            _run("umount", "-l", folder)


@contextlib.contextmanager
def _ext4(folder: Path, megabytes: int) -> Iterator[Path]:
    """Make a file system in a file and mount it; the file comes back. Unmounting is the caller's matter."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    assert _run(needs.program("mkfs.ext4", package="e2fsprogs"), "-q", image).returncode == 0
    _mount("-o", "loop", image, folder)
    yield image


LEFT = 300_000  # bytes on a full disk


@dataclass(frozen=True)
class Shrinkable:
    """A disk that can be full, or read-only."""

    folder: Path

    def fill(self) -> None:
        """Leave less than a song needs."""
        with (self.folder / "ballast").open("wb") as file:
            while not self._fill(file.fileno()):  # songs are written meanwhile
                continue

    def _fill(self, descriptor: int) -> bool:
        disk = os.statvfs(self.folder)
        try:
            os.posix_fallocate(descriptor, 0, max(disk.f_bavail * disk.f_frsize - LEFT, 1))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return False
        return True

    def empty(self) -> None:
        (self.folder / "ballast").unlink()

    def read_only(self) -> None:
        """Take the right to write away, as soon as no writer has a file open."""
        while _run("mount", "-o", "remount,ro", self.folder).returncode:
            time.sleep(0.002)

    def writable(self) -> None:
        read_only(self.folder, on=False)


@contextlib.contextmanager
def shrinkable(folder: Path, *, size: str) -> Iterator[Shrinkable]:
    """A disk in memory, of which 64 MiB are kept free."""
    with small(folder, size=size):
        yield Shrinkable(folder)


@dataclass(frozen=True)
class Removable:
    """A disk that can be unmounted and mounted again; or another, empty one lies where it should be."""

    folder: Path
    contents: Path

    def mount(self) -> None:
        self.unmount()
        _mount("--bind", self.contents, self.folder)

    def unmount(self) -> None:
        while _run("umount", "-l", self.folder).returncode == 0:
            pass

    def replace(self) -> None:
        """Put an empty disk over it."""
        _mount("-t", "tmpfs", "-o", "size=100m", "none", self.folder)


@contextlib.contextmanager
def removable(folder: Path) -> Iterator[Removable]:
    """A mounted folder."""
    contents = folder.with_name("contents")
    for path in (folder, contents):
        path.mkdir(parents=True)
    made = Removable(folder, contents)
    try:
        made.mount()
        yield made
    finally:
        made.unmount()


@dataclass(frozen=True)
class Hanging:
    """A disk served by a process: while that is stopped every call to the disk hangs, reading too."""

    folder: Path
    server: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.server.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.server.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def hanging(folder: Path) -> Iterator[Hanging]:
    """A FUSE file system over a folder, as a NAS would be that answers when it likes."""
    contents = folder.with_name("contents")
    for path in (folder, contents):
        path.mkdir(parents=True)
    command = [needs.program("bindfs"), "-f", str(contents), str(folder)]
    server = subprocess.Popen(bound(command), stderr=subprocess.PIPE)
    try:
        while not folder.is_mount():
            if server.poll() is not None:
                needs.missing("FUSE", f"run as root: {server.communicate()[1].decode().strip()}")
            time.sleep(0.01)
        yield Hanging(folder, server)
    finally:
        server.send_signal(signal.SIGCONT)
        _run("umount", "-l", folder)
        server.terminate()
        server.wait(20)


EXT4_IOC_SHUTDOWN, FLUSHED, WITHOUT_LOG = 0x8004587D, 0, 2


@dataclass(frozen=True)
class Lossy:
    """A disk that can be shut down: from then on every call to it ends with EIO, until it is mounted anew.

    It is the ioctl by which the kernel's own tests of ext4 cut the power.
    """

    folder: Path
    image: Path

    def cut_power(self) -> None:
        """Lose what the kernel had not written to it, its journal included."""
        self._shut_down(WITHOUT_LOG)

    def detach(self) -> None:
        """Lose nothing that was written."""
        self._shut_down(FLUSHED)

    def _shut_down(self, how: int) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(descriptor)

    def restore_power(self) -> None:
        """Mount it anew; whoever had files open has to be gone."""
        deadline = time.monotonic() + 20
        while (done := _run("umount", self.folder)).returncode:
            assert time.monotonic() < deadline, done.stderr
            time.sleep(0.01)
        _mount("-o", "loop", self.image, self.folder)


@contextlib.contextmanager
def lossy(folder: Path, *, megabytes: int) -> Iterator[Lossy]:
    """A disk of its own in a file, at `folder`."""
    with _ext4(folder, megabytes) as image:
        try:
            yield Lossy(folder, image)
        finally:
            _run("umount", "-l", folder)
