"""The window: how many jobs go to the broker ahead of the workers, and what is sent again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from tasks.dispatch.fleet import Fleet
from tasks.ledger import Ledger, Release
from tasks.queue.publisher import Publisher

AHEAD_SECONDS = 0.25  # of work at the present pace, beyond one job a slot


class Pace:
    """How many jobs a queue takes a second: short jobs need more of them ahead to keep a worker fed."""

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


class Releaser:
    """Publishes what the ledger releases; what the broker did not take goes first the next time."""

    def __init__(self, ledger: Ledger, publisher: Publisher, pace: Pace | None = None) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._pace = pace or Pace()
        self._unsent: Sequence[Release] = ()

    def publish_next(self, fleet: Fleet) -> int:
        """Publish what was left over, else what is next; how many were sent comes back.

        Raises:
            BrokerUnavailable: It may or may not have taken them; they are sent again.
        """
        if not self._unsent:
            self._unsent = self._ledger.dispatch.release(lambda queue: self.window(fleet, queue))
        sent = len(self._unsent)
        if sent:
            self._publisher.publish(self._unsent)
            self._pace.note(self._unsent)
            self._unsent = ()
        return sent

    def window(self, fleet: Fleet, queue: str) -> int:
        """How many jobs may be released and unclaimed: one a slot, and what goes by in a moment."""
        return max(fleet.slots(queue), 1) + self._pace.ahead(queue)

    def renew(self) -> None:
        """Look at the pace anew."""
        self._pace.renew()

    def forget(self) -> None:
        """Drop what is unsent: another dispatcher took over, and takes back what nobody claims."""
        self._unsent = ()
