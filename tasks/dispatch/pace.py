"""How many jobs a queue takes a second: short jobs need more of them ahead to keep a worker fed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from tasks.ledger import Release

AHEAD_SECONDS = 0.25  # of work at the present pace, beyond one job a slot


class Pace:
    """The rates of what was sent, renewed every second or so."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: Counter[str] = Counter()
        self._rates: dict[str, float] = {}
        self._since = clock()

    def note(self, releases: Sequence[Release]) -> None:
        """Count what was sent."""
        self._sent.update(release.queue for release in releases)

    def renew(self) -> None:
        """Take the rates of the time since the last call."""
        seconds = max(self._clock() - self._since, 1e-3)
        self._rates = {queue: number / seconds for queue, number in self._sent.items()}
        self._sent.clear()
        self._since = self._clock()

    def ahead(self, queue: str) -> int:
        """How many jobs go by in the time we look ahead; 0 where a job takes seconds."""
        return int(self._rates.get(queue, 0.0) * AHEAD_SECONDS)
