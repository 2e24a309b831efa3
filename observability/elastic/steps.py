"""What a set-up tells of each thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["made", "upgraded", "unchanged", "lacking"]


@dataclass(frozen=True)
class SetupStep:
    """One thing that was looked at: what it is, what became of it, and what a person should know."""

    what: str
    state: State
    detail: str = ""
