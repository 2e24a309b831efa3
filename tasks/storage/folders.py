"""In which folder of the storage a song lies: `<9 hours>/<half a minute>/<name>`, read off its job's id.

One folder for all songs would hold millions a day, which no file system lists in good time. The first ten
characters of an id's number are milliseconds, so the first five name 9.3 hours and the next two 33 seconds of
them, sorted by time; who knows a name knows its folder, nginx too (`nginx/templates/locations.conf.j2`).
Songs from before lie in the storage's own folder and are found there; so does what no job made.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Final

from tasks.jobs.ids import DATED_JOB_ID

OPEN: Final = 0o755  # nginx has another account
OF_A_JOB: Final = re.compile(DATED_JOB_ID.pattern.removesuffix("$") + r"(?![0-9a-z])")


def folder_of(name: str) -> Path:
    """Where a file of that name is put, below the storage's folder."""
    found = OF_A_JOB.match(name)
    return Path(found["hours"], found["moment"]) if found else Path()


def places_of(storage: Path, name: str) -> tuple[Path, ...]:
    """Where a file of that name may be, the place first where it is put."""
    return tuple(dict.fromkeys((storage / folder_of(name) / name, storage / name)))


def located(storage: Path, name: str) -> Path:
    """Where a file of that name is, or will be; it asks the disk."""
    places = places_of(storage, name)
    return next((place for place in places if os.path.lexists(place)), places[0])


def make(folder: Path, storage: Path) -> None:
    """Make a folder of the storage and those above it, each on disk in the one that it is in."""
    if folder == storage or folder.is_dir():
        return
    make(folder.parent, storage)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(OPEN)
    fsync_folder(folder.parent)


def fsync_folder(folder: Path) -> None:
    """Have on disk what names a folder holds."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
