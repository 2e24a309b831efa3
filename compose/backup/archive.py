"""The archive: a folder of contents by their SHA-256, and one manifest that says what they are.

    FOLDER/manifest.json        written last, in one move: an archive is as of it, or is not there yet
    FOLDER/contents/ab/abcd...  what it names; a backup that was interrupted goes on from what is there

The next backup into the same folder copies only what is new. It holds the secret: keep it as one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from observability import statefile

FORMAT: Final = 1
CHUNK: Final = 1 << 20
KINDS: Final = ("songs", "uploads", "adapters")


class ArchiveError(Exception):
    """The archive cannot be used as asked. The text says why and what to do."""


@dataclass(frozen=True)
class Entry:
    """One file: its content, and by what the next backup sees that it is the same."""

    sha256: str
    bytes: int
    changed: int  # nanoseconds since the epoch


@dataclass
class Manifest:
    """What an archive holds: the ledger, the secret, and files by kind and name."""

    made_at: str
    version: str
    revision: str
    ledger: Entry
    secret: Entry
    files: dict[str, dict[str, Entry]] = field(default_factory=dict)

    def contents(self) -> dict[str, Entry]:
        """Every entry by its hash."""
        every = [self.ledger, self.secret, *(e for kind in self.files.values() for e in kind.values())]
        return {entry.sha256: entry for entry in every}


class Archive:
    """An archive in a folder, held by one process at a time between `opened` and its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._manifest = self.folder / "manifest.json"

    @contextlib.contextmanager
    def held(self, *, make: bool) -> Iterator[None]:
        """Hold it.

        Args:
            make: Whether a new one may be begun here.

        Raises:
            ArchiveError: It is no archive, or another process uses it.
            OSError: It cannot be read or written.
        """
        ours = (self.folder / "contents").is_dir()
        if not ours and not make:
            raise ArchiveError(f"{self.folder} is no archive of `tutti backup`")
        if not ours and self.folder.is_dir() and any(self.folder.iterdir()):
            raise ArchiveError(f"{self.folder} is not empty and no archive; name a folder of its own")
        if make:
            (self.folder / "contents").mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
        with _lock(self.folder):
            yield

    def manifest(self) -> Manifest | None:
        """What it holds; None where no backup has ended yet.

        Raises:
            ArchiveError: It cannot be understood.
        """
        try:
            told = json.loads(self._manifest.read_bytes())
            if told["format"] != FORMAT:
                raise ArchiveError(f"{self.folder} is of format {told['format']}: use the Tutti that made it")
            return _read(told)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveError(f"{self._manifest} is damaged ({error}); the archive is of no use") from error

    def seal(self, manifest: Manifest) -> int:
        """Make it the archive's state, and drop what only earlier ones named; their number comes back."""
        told = {"format": FORMAT, **asdict(manifest)}
        # Python's own: it writes names that are no UTF-8 as well
        statefile.write(self._manifest, json.dumps(told).encode("ascii"), mode=0o600)
        wanted, dropped = manifest.contents(), 0
        for path in self.folder.glob("contents/*/*"):
            if path.name not in wanted:
                path.unlink()
                dropped += 1
        return dropped

    def has(self, entry: Entry) -> bool:
        """Whether a content is here; it was checked when it was written."""
        with contextlib.suppress(FileNotFoundError):
            return self._place(entry.sha256).stat().st_size == entry.bytes
        return False

    def take(self, source: IO[bytes]) -> Entry:
        """Keep a file's content; one that is here already takes no room."""
        changed = os.fstat(source.fileno()).st_mtime_ns
        temporary = self.folder / "contents" / f".{secrets.token_hex(8)}.tmp"
        try:
            with temporary.open("xb") as file:
                digest, size = _copy(source, file)
            place, entry = self._place(digest), Entry(digest, size, changed)
            if not self.has(entry):
                place.parent.mkdir(exist_ok=True)
                temporary.replace(place)
                statefile.sync_folder(place.parent)
            return entry
        finally:
            temporary.unlink(missing_ok=True)

    def give(self, entry: Entry, target: Path, *, mode: int = 0o644) -> None:
        """Put a content under a name, whole; what is there is replaced.

        Raises:
            ArchiveError: The archive has lost or damaged it.
        """
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
        try:
            with self._place(entry.sha256).open("rb") as source, temporary.open("xb") as file:
                os.fchmod(file.fileno(), mode)
                digest, _ = _copy(source, file)
            if digest != entry.sha256:
                raise ArchiveError(
                    f"{self._place(entry.sha256)} is damaged, so {target.name} cannot be restored"
                )
            os.utime(temporary, ns=(entry.changed, entry.changed))
            temporary.replace(target)
        except FileNotFoundError as error:
            raise ArchiveError(f"{target.name} is missing in the archive ({entry.sha256})") from error
        finally:
            temporary.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a backup that was killed has left half written."""
        for path in self.folder.glob("contents/.*.tmp"):
            path.unlink(missing_ok=True)

    def _place(self, digest: str) -> Path:
        return self.folder / "contents" / digest[:2] / digest


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(source: IO[bytes], target: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
        target.write(chunk)
    target.flush()
    os.fsync(target.fileno())
    return digest.hexdigest(), size


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    try:
        file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:  # an archive on a medium that is only read
        yield
        return
    except OSError as error:
        raise ArchiveError(f"{folder} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ArchiveError(f"another backup or restore works on {folder}") from None
    finally:
        os.close(file)


def _read(told: dict[str, Any]) -> Manifest:
    def entry(values: dict[str, Any]) -> Entry:
        found = Entry(str(values["sha256"]), int(values["bytes"]), int(values["changed"]))
        if len(found.sha256) != 64 or not set(found.sha256) <= set("0123456789abcdef"):
            raise ValueError("a hash is none")
        return found

    files = {
        kind: {str(name): entry(values) for name, values in told["files"].get(kind, {}).items()}
        for kind in KINDS
    }
    return Manifest(
        made_at=str(told["made_at"]),
        version=str(told["version"]),
        revision=str(told["revision"]),
        ledger=entry(told["ledger"]),
        secret=entry(told["secret"]),
        files=files,
    )
