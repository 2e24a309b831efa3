"""One thing that a prompt says, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Kind = Literal[
    "genre", "instrument", "refused", "mood", "speed", "tempo", "metre", "alone", "bpm", "key", "mode"
]
Value_co = TypeVar("Value_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Mention(Generic[Value_co]):
    """One thing said: what kind, which, and where in the text."""

    kind: Kind
    value: Value_co
    start: int
    end: int


Mentions = Sequence[Mention[object]]
