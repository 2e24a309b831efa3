"""The NAS: finished audio is published once, whole, and never changes.

A file is written under a temporary name, flushed to disk, read back, and then given its own name unless there
is a file of that name: of two workers with the same song one wins, and the other discards its own.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from observability import statefile
from tasks.jobs import ErrorClass, JobError
from tasks.storage.bounded import Bounded, GivenUp, Ticket
from tasks.storage.folders import fsync_folder, located, make
from tasks.storage.publish_once import publish_once

T = TypeVar("T")

CHUNK: Final = 1 << 20
RESERVE: Final = 64 << 20  # bytes left free, for the ledger and the logs that may share the disk
TOLERANCE: Final = 0.15  # seconds: mp3 and opus pad to whole frames
HASHED: Final = ".sha256"  # ends the name of a file with the hash of the one beside it
HEX: Final = re.compile(r"^[0-9a-f]{64}$")
MARK: Final = ".tutti"  # its absence tells an unmounted NAS from an empty one
TRIES: Final = 3  # to enter a folder that others remove when it is empty
READABLE: Final = 0o644  # nginx has another account; who may read songs is for their folder to say
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file that is in its place. `mine` is False where another attempt had put it there before."""

    name: str
    bytes: int
    sha256: str
    mine: bool


class Storage:
    """A folder of finished audio, usually on a NAS; safe from many threads and many machines.

    Every method may raise `JobError` of class `storage_full` or `storage_unavailable`; none waits longer than
    `timeout` seconds for a NAS that hangs.
    """

    def __init__(
        self, folder: Path, *, timeout: float = 30.0, reserve: int = RESERVE, seen: Path | None = None
    ) -> None:
        self.folder = folder
        self.reserve = reserve
        self._seen = seen  # remembers on this machine that the folder has been a storage
        self._bounded = Bounded(timeout)

    def prepare(self) -> None:
        """Make the folder and mark it as a storage, unless it was one before and its mark has gone.

        A process that starts while the NAS is away would else take the bare mount point for a new storage.
        """
        self._call(lambda _: self._mark())

    def publish(
        self, name: str, attempt: int, data: bytes | memoryview, *, seconds: float | None = None
    ) -> Stored:
        """Put `data` under `name`, unless a file of that name is there: then that one stands.

        Args:
            name: File name, such as `<id>.wav` or `<id>-2.flac`; `tasks.storage.folders` says where it lies.
            attempt: The job's attempt, which keeps two workers' temporary files apart.
            data: The whole file.
            seconds: What the file has to last when decoded; None for what is not audio.
        """
        # the random part: an abandoned write and its successor never share a temporary file
        temporary = self.folder / f"{self._named(name)}.{attempt}-{secrets.token_hex(6)}.tmp"
        return self._call(lambda ticket: self._publish(temporary, name, data, seconds, ticket))

    def check(self) -> None:
        """Raise unless a song could be stored now: writes, flushes and reads back a small file."""
        probe = self.folder / f".probe-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(6)}.tmp"
        self._call(lambda ticket: self._probe(probe, ticket))

    def free(self) -> int:
        """Bytes that can still be written, the reserve kept."""
        return self._call(lambda _: max(0, _free(self.folder) - self.reserve))

    def used_share(self) -> float:
        """Share of the disk that is taken, by whatever, 0..1."""
        return self._call(lambda _: _used_share(self.folder))

    def size(self) -> int:
        """Bytes of the disk, free or taken."""
        return self._call(lambda _: _size(self.folder))

    def remove(self, names: Iterable[str]) -> int:
        """Delete files; those that are gone already are no error. Returns how many were there."""
        known = [self._named(name) for name in names]
        return self._call(lambda _: sum(self._remove(self._path(name)) for name in known))

    def sweep(self, older_than: float = 3600.0) -> int:
        """Delete temporary files that writers left when they died, `older_than` seconds ago or more."""
        return self._call(lambda _: self._sweep(older_than))

    def _call(self, function: Callable[[Ticket], T]) -> T:
        with _storage_errors():
            return self._bounded.call(function)

    @staticmethod
    def _named(name: str) -> str:
        if "/" in name or name.startswith("."):
            raise ValueError(f"{name!r} is no name of a finished file")
        return name

    def _path(self, name: str) -> Path:
        """Where that file is, or will be; it asks the NAS."""
        return located(self.folder, name)

    def hash_of(self, name: str) -> str:
        """The SHA-256 of a finished file, in hexadecimal; it is kept beside the file, where it is not yet."""
        known = self._named(name)
        return self._call(lambda ticket: self._hash(self._path(known), ticket))

    def _hash(self, path: Path, ticket: Ticket) -> str:
        beside = path.with_name(path.name + HASHED)
        with contextlib.suppress(OSError):
            if HEX.match(known := beside.read_text()):
                return known
        digest = _describe(path).sha256
        temporary = self.folder / f"{beside.name}.1-{secrets.token_hex(6)}.tmp"
        try:
            with contextlib.suppress(OSError):  # a full disk: it is found out again next time
                _write(temporary, digest.encode(), ticket)
                publish_once(temporary, beside)
        finally:
            with contextlib.suppress(OSError):  # swept later
                temporary.unlink()
        return digest

    def _remove(self, path: Path) -> bool:
        """Delete a file and its hash, and the folders that are empty then."""
        _unlink(path.with_name(path.name + HASHED))
        there = _unlink(path)
        for folder in path.parents[:2]:
            if folder == self.folder:
                break
            with contextlib.suppress(OSError):  # others lie there, or none ever did
                folder.rmdir()
        return there

    def _mark(self) -> None:
        mark, name = self.folder / MARK, str(self.folder)
        known = self._seen is not None and statefile.read(self._seen, os.fsdecode) == name
        if known and not mark.exists():
            raise OSError(errno.ENODEV, f"it was mounted before, and is not now ({self._seen} remembers)")
        self.folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
        if self._seen and not known:
            self._seen.parent.mkdir(parents=True, exist_ok=True)
            statefile.write(self._seen, os.fsencode(name))

    def _publish(
        self, temporary: Path, name: str, data: bytes | memoryview, seconds: float | None, ticket: Ticket
    ) -> Stored:
        self._room_for(len(data))
        final = self._path(name)
        try:
            digest = _write(temporary, data, ticket)
            _verify(temporary, digest, seconds)
            ticket.commit()
            return self._in_place(
                temporary, final, Stored(name=name, bytes=len(data), sha256=digest, mine=True)
            )
        finally:
            with contextlib.suppress(OSError):  # swept later
                temporary.unlink()

    def _in_place(self, temporary: Path, final: Path, stored: Stored) -> Stored:
        if not self._given_its_name(temporary, final):
            return _describe(final)
        fsync_folder(final.parent)
        return stored

    def _given_its_name(self, temporary: Path, final: Path) -> bool:
        """Publish; a folder that was empty may be removed by whoever expires songs, just as it is entered."""
        for left in reversed(range(TRIES)):
            make(final.parent, self.folder)
            try:
                return publish_once(temporary, final)
            except FileNotFoundError:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _probe(self, probe: Path, ticket: Ticket) -> None:
        self._room_for(0)
        try:
            _verify(probe, _write(probe, b"tutti", ticket), None)
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()

    def _room_for(self, size: int) -> None:
        (self.folder / MARK).stat()  # a mount point without its NAS has none
        if _free(self.folder) < size + self.reserve:
            raise OSError(errno.ENOSPC, "the reserve would be touched")

    def _sweep(self, older_than: float) -> int:
        # The NAS stamps files by its own clock, so it is asked what time it is.
        clock = self.folder / f".clock-{os.getpid()}-{secrets.token_hex(6)}.tmp"
        clock.touch()
        now = clock.stat().st_mtime
        clock.unlink()
        return sum(_unlink(path) for path in self.folder.glob("*.tmp") if _older(path, now - older_than))


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise _unavailable("does not answer") from error
    except GivenUp as error:
        raise _unavailable("did not answer in time") from error
    except OSError as error:
        if error.errno in FULL:
            raise JobError(ErrorClass.STORAGE_FULL, "the storage is full; free some space") from error
        raise _unavailable(error.strerror or type(error).__name__) from error


def _unavailable(why: str) -> JobError:
    return JobError(ErrorClass.STORAGE_UNAVAILABLE, f"the storage cannot be written: {why}; check the NAS")


def _write(path: Path, data: bytes | memoryview, ticket: Ticket) -> str:
    digest = hashlib.sha256()
    with path.open("xb", buffering=0) as file:
        os.fchmod(file.fileno(), READABLE)
        for start in range(0, len(data), CHUNK):
            ticket.check()
            chunk = memoryview(data)[start : start + CHUNK]
            while chunk:
                written = file.write(chunk)
                digest.update(chunk[:written])
                chunk = chunk[written:]
        os.fsync(file.fileno())
    return digest.hexdigest()


def _verify(path: Path, digest: str, seconds: float | None) -> None:
    """Read the file back as another machine would, and compare."""
    with path.open("rb") as file:
        if hasattr(os, "posix_fadvise"):  # ask the disk, not this machine's memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise OSError(errno.EIO, "a file came back different from what was written")
    if seconds is not None and abs(duration(path) - seconds) > TOLERANCE:
        raise JobError(ErrorClass.INTERNAL, "the encoded audio has the wrong length; try another format")


def duration(file: Path | bytes) -> float:
    """Seconds of sound in an audio file, by its decoder."""
    import soundfile  # brings numpy, which the web app does without

    with soundfile.SoundFile(io.BytesIO(file) if isinstance(file, bytes) else os.fsencode(file)) as sound:
        return float(sound.frames / sound.samplerate)


def _describe(path: Path) -> Stored:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Stored(name=path.name, bytes=os.fstat(file.fileno()).st_size, sha256=digest, mine=False)


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _size(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_blocks * disk.f_frsize


def _used_share(folder: Path) -> float:
    disk = os.statvfs(folder)
    return 1.0 - disk.f_bavail / max(1, disk.f_blocks)


def _unlink(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        return True
    return False


def _older(path: Path, than: float) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime <= than
    return False
