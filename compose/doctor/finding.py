"""One line of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What was found: `level` is ok, note (works, could be better) or bad (will not work)."""

    level: Literal["ok", "note", "bad"]
    text: str
