"""What lies in a storage, wherever in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

DATED = re.compile(r"[0-9a-z]{5}|[0-9a-z]{2}")  # folders of songs


def names_in(storage: Path) -> list[str]:
    """All names but the storage's mark and those of the folders that songs lie in."""
    found = [name for _, _, files in os.walk(storage) for name in files if name != ".tutti"]
    found += [path.name for path in storage.iterdir() if path.is_dir() and not DATED.fullmatch(path.name)]
    return sorted(found)
