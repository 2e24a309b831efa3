"""How many costly things each owner may have under way at once; one process's count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from web.request.problems import RATE_LIMITED, UNAVAILABLE, Problem

AGAIN = {"retry-after": "5"}


class ConcurrencyLimit:
    """Lets in so many at once of each owner, and so many of all together.

    Args:
        what: What is counted, for the refusal: a subject and its verb.
        each: For one owner or address.
        together: For all.
    """

    def __init__(self, what: str, each: int, together: int) -> None:
        self._what, self._each, self._together = what, each, together
        self._under_way: Counter[str] = Counter()
        self._all = 0

    @contextmanager
    def one(self, owners: Sequence[str]) -> Iterator[None]:
        """Count one for each of these names for the time of the block.

        Raises:
            Problem: 429 where one has as many as it may; 503 where all together have.
        """
        if any(self._under_way[owner] >= self._each for owner in owners):
            detail = f"{self._what} {self._each} at once. Try again when one has ended."
            raise Problem(RATE_LIMITED, detail, headers=AGAIN)
        if self._all >= self._together:
            raise Problem(UNAVAILABLE, "Too much is under way here; try again.", headers=AGAIN)
        self._all += 1
        self._under_way.update(owners)
        try:
            yield
        finally:
            self._all -= 1
            self._under_way.subtract(owners)
            for owner in owners:
                if not self._under_way[owner]:
                    del self._under_way[owner]
