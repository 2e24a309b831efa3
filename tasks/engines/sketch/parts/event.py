"""Events: notes on the grid, in beats from the start of the song."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """A note to be: `force` is 1.0 for a plain one."""

    at: float
    length: float
    pitch: int
    force: float = 1.0


FORCE = {"X": 1.16, "x": 1.0, "o": 0.7}


def runs(pattern: str) -> Iterator[tuple[int, int, str]]:
    """(step, steps held, character) of each note in a pattern."""
    for step, character in enumerate(pattern):
        if character in ".-":
            continue
        held = 1
        while step + held < len(pattern) and pattern[step + held] == "-":
            held += 1
        yield step, held, character
