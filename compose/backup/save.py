"""`tutti backup`: the ledger first, then every file, so that each song the ledger names is there."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from compose.backup.archive import Archive, ArchiveError, Entry, Manifest
from tasks.ledger import whole
from tasks.security.secret import secret_of
from tasks.settings import Settings
from tasks.storage.uploads import OWNERS

Progress = Callable[[str, int, int], None]
"""Told of each file: its kind, and how many of how many are done."""


def folders(settings: Settings) -> dict[str, Path]:
    """Where the files of each kind lie."""
    return {
        "songs": settings.storage_path,
        "uploads": settings.upload_path,
        "adapters": settings.lora_path,
    }


def save(settings: Settings, archive: Archive, progress: Progress = lambda *_: None) -> Manifest:
    """Bring an archive up to date, while Tutti runs or not; what it has already is not copied again.

    Raises:
        ArchiveError: The folder is no archive, or is in use.
        OSError: Something cannot be read or written.
        LedgerUnavailable: The ledger cannot be read.
    """
    for folder in folders(settings).values():
        if archive.folder.resolve().is_relative_to(folder.resolve()):
            raise ArchiveError(f"{archive.folder} lies in {folder}, which it is to hold; name another folder")
    with archive.held(make=True):
        archive.sweep()
        before = archive.manifest()
        made_at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        revision, entry = _ledger(settings, archive)
        manifest = Manifest(
            made_at=made_at,
            version=version("tutti"),
            revision=revision,
            ledger=entry,
            secret=_secret(settings, archive),
        )
        for kind, folder in folders(settings).items():
            known = before.files.get(kind, {}) if before else {}
            manifest.files[kind] = _files(archive, folder, known, functools.partial(progress, kind))
        archive.seal(manifest)
        return manifest


def _ledger(settings: Settings, archive: Archive) -> tuple[str, Entry]:
    with tempfile.TemporaryDirectory(dir=archive.folder, prefix=".ledger-") as folder:
        copy = Path(folder, "ledger.db")
        revision = whole.write(settings.ledger, copy)
        with copy.open("rb") as file:
            return revision, archive.take(file)


def _secret(settings: Settings, archive: Archive) -> Entry:
    with tempfile.TemporaryFile(dir=archive.folder) as file:
        file.write(secret_of(settings))
        file.seek(0, io.SEEK_SET)
        return archive.take(file)


def _files(
    archive: Archive, folder: Path, known: dict[str, Entry], told: Callable[[int, int], None]
) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    names = sorted(_names(folder))
    for number, name in enumerate(names, 1):
        with contextlib.suppress(FileNotFoundError):  # it expired meanwhile
            found[name] = _file(archive, folder / name, known.get(name))
        told(number, len(names))
    return found


def _file(archive: Archive, path: Path, known: Entry | None) -> Entry:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        same = known and (known.bytes, known.changed) == (status.st_size, status.st_mtime_ns)
        if known and same and archive.has(known):
            return known
        return archive.take(file)


def _names(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
    """Files that are finished, by their paths below the folder; what is being written has a dot.

    A link counts as what it leads to: adapters often lie elsewhere.
    """
    try:
        here, paths = folder.stat(), sorted(folder.iterdir())
    except FileNotFoundError:
        return  # nobody has made it yet
    place = (here.st_dev, here.st_ino)
    for path in paths:
        name = path.name
        if path.is_dir() and place not in above:  # else a link leads back to where it lies
            if not name.startswith(".") or name == OWNERS:
                yield from (f"{name}/{inner}" for inner in _names(path, above | {place}))
        elif path.is_file() and not name.startswith(".") and not name.endswith(".tmp"):
            yield name
