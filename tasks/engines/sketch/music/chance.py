"""Chance that repeats: the same request and seed give the same numbers on every machine and Python.

Only `random.Random.random` is used, whose sequence Python promises to keep; `choice`, `shuffle` and
`gauss` have changed between versions.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A stream of decisions, named so that one part's decisions never shift another's."""

    def __init__(self, *names: object) -> None:
        self._names = names
        digest = hashlib.sha256("\x1f".join(str(name) for name in names).encode()).digest()
        self._next = random.Random(int.from_bytes(digest[:8], "big")).random  # noqa: S311 - music, not secrets

    def fork(self, *names: object) -> Chance:
        """A stream of its own for one part of the work."""
        return Chance(*self._names, *names)

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens now."""
        return self._next() < probability

    def between(self, low: float, high: float) -> float:
        """A number from low to high."""
        return low + (high - low) * self._next()

    def near(self, spread: float) -> float:
        """A number around 0 within three times `spread`, bell-shaped (the sum of three even ones)."""
        return spread * 2.0 * (self._next() + self._next() + self._next() - 1.5)

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each as likely."""
        return items[int(self._next() * len(items))]

    def weighed(self, items: Mapping[T, float]) -> T:
        """One of the keys, as likely as its weight says."""
        point = self._next() * sum(items.values())
        for item, weight in items.items():
            point -= weight
            if point < 0:
                return item
        return next(reversed(list(items)))
