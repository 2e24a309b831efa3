"""In which folder of the storage a song lies: `<9 hours>/<half a minute>/<name>`, read off its job's id.

One folder for all songs would hold millions a day, which no file system lists in good time. The first ten
characters of an id's number are milliseconds, so the first five name 9.3 hours and the next two 33 seconds of
them, sorted by time; who knows a name knows its folder, nginx too (`nginx/templates/locations.conf.j2`).
Songs from before lie in the storage's own folder and are found there; so does what no job made.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

LETTERS: Final = "[0-9a-hjkmnp-tv-z]"
OF_A_JOB: Final = re.compile(
    rf"^[a-z0-9]{{1,4}}_(?P<hours>{LETTERS}{{5}})(?P<moment>{LETTERS}{{2}}){LETTERS}{{19}}(?![0-9a-z])"
)
SONG_FOLDERS: Final = f"{LETTERS[:-1]}]" * 5, f"{LETTERS[:-1]}]" * 2
"""Glob patterns of the two folders."""


def folder_of(name: str) -> Path:
    """Where a file of that name is put, below the storage's folder."""
    found = OF_A_JOB.match(name)
    return Path(found["hours"], found["moment"]) if found else Path()


def located(storage: Path, name: str) -> Path:
    """Where a file of that name is, or will be."""
    flat = storage / name
    dated = storage / folder_of(name) / name
    return flat if flat != dated and not dated.exists() and flat.exists() else dated
