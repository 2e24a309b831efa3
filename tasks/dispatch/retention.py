"""Old songs: those of a certain age are deleted, and the oldest while the disk is too full."""

from __future__ import annotations

import time
from collections.abc import Callable

from observability.logging import get_logger
from tasks.jobs import JobError
from tasks.ledger import Ledger
from tasks.storage import Storage

log = get_logger()

EVERY_SECONDS = 300.0
AT_ONCE = 100
DAY = 86_400.0


class Retention:
    """Deletes songs, in small groups.

    Args:
        ledger: which songs there are and when each was last used.
        storage: where they lie.
        days: age at which a song expires.
        share: of the disk that may be taken, 0..1.
    """

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        days: float,
        share: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._storage = storage
        self._days = days
        self._share = share
        self._clock = clock
        self._at = float("-inf")

    def turn(self) -> None:
        """Look every few minutes."""
        if self._clock() - self._at < EVERY_SECONDS:
            return
        self._at = self._clock()
        try:
            self.expire()
        except JobError as error:
            log.warning("storage.not_tidied", message=error.detail)

    def expire(self) -> int:
        """Delete what is too old or too much; the number of jobs that lost their audio comes back."""
        self._storage.sweep()
        number = self._all_older(self._days * DAY)
        while self._storage.used_share() > self._share:
            more = self._ledger.retention(self._storage.remove, 0.0, AT_ONCE)
            number += more
            if not more:
                log.warning("storage.full", message="other files fill the disk more than songs may")
                break
        return number

    def _all_older(self, seconds: float) -> int:
        number = 0
        while more := self._ledger.retention(self._storage.remove, seconds, AT_ONCE):
            number += more
        return number
