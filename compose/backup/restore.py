"""`tutti restore`: what an archive holds, back in its place; the ledger last, for it names the rest."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from compose.backup.archive import Archive, ArchiveError, Entry, Manifest, digest_of
from compose.backup.save import Progress, folders
from tasks.ledger import LedgerUnavailable, whole
from tasks.settings import Settings
from tasks.storage.songs import Storage

REPLACE = "say --replace to put the archive's in its place (this one is set aside)"


@dataclass(frozen=True)
class Restored:
    """What was done."""

    manifest: Manifest
    written: int
    notes: tuple[str, ...]


def restore(
    settings: Settings, archive: Archive, *, replace: bool = False, progress: Progress = lambda *_: None
) -> Restored:
    """Put everything back. Run again after an interruption it goes on with what is missing.

    Args:
        settings: Where it goes.
        archive: Where it comes from.
        replace: Whether a ledger and a secret that are there may be set aside.
        progress: Told of each file.

    Raises:
        ArchiveError: The archive or what is there does not allow it.
        OSError: Something cannot be written.
    """
    with archive.held(make=False):
        manifest = archive.manifest()
        if manifest is None:
            raise ArchiveError(f"{archive.folder} holds no backup that ended; run `tutti backup` again")
        if not whole.is_known(manifest.revision):
            raise ArchiveError(
                f"the archive is Tutti {manifest.version}'s, newer than this one; upgrade first"
            )
        if not replace:
            _refuse_to_replace(settings, manifest)
        Storage(settings.storage_path, seen=settings.storage_seen).prepare()
        written = 0
        for kind, folder in folders(settings).items():
            written += _files(archive, folder, manifest.files[kind], kind, progress)
        notes = _secret(settings, archive, manifest)
        _ledger(settings, archive, manifest)
        return Restored(manifest, written, notes)


def _refuse_to_replace(settings: Settings, manifest: Manifest) -> None:
    secret = settings.data.absolute() / "secret"
    if secret.is_file() and digest_of(secret) != manifest.secret.sha256:
        raise ArchiveError(f"{secret} is another secret than the archive's; {REPLACE}")
    try:
        jobs = whole.jobs_in(settings.ledger)
    except LedgerUnavailable as error:
        raise ArchiveError(
            f"the ledger that is there cannot be read ({error.__cause__}); {REPLACE}"
        ) from error
    if jobs:
        raise ArchiveError(f"the ledger that is there holds {jobs:,} jobs; {REPLACE}")


def _files(archive: Archive, folder: Path, entries: dict[str, Entry], kind: str, progress: Progress) -> int:
    written = 0
    for number, (name, entry) in enumerate(sorted(entries.items()), 1):
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise ArchiveError(f"the manifest names {name!r}, which is no file of ours")
        target = folder / parts
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _is_there(target, entry):
            archive.give(entry, target)
            written += 1
        progress(kind, number, len(entries))
    return written


def _is_there(target: Path, entry: Entry) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return target.stat().st_size == entry.bytes and digest_of(target) == entry.sha256
    return False


def _secret(settings: Settings, archive: Archive, manifest: Manifest) -> tuple[str, ...]:
    path = settings.data.absolute() / "secret"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or digest_of(path) != manifest.secret.sha256:
        _aside(path)
        archive.give(manifest.secret, path, mode=0o600)
    if settings.secret and settings.secret.get_secret_value().encode() != path.read_bytes():
        return ("TUTTI_SECRET is another than the archive's: sessions and signed links of then do not hold",)
    return ()


def _ledger(settings: Settings, archive: Archive, manifest: Manifest) -> None:
    copy = settings.data.absolute() / ".restored.db"
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        archive.give(manifest.ledger, copy, mode=0o600)
        for old in whole.files(settings.ledger):
            _aside(old)
        whole.read(copy, settings.ledger)
    finally:
        for path in copy.parent.glob(f"{copy.name}*"):
            path.unlink()


def _aside(path: Path) -> None:
    if path.exists():
        path.rename(path.with_name(f"{path.name}.before-restore-{time.strftime('%Y%m%dT%H%M%S')}"))
