"""Old records: what the ledger knows of jobs that ended long ago."""

from __future__ import annotations

import time
from collections.abc import Callable

from observability.logging import get_logger
from tasks.ledger import Ledger

log = get_logger()

DAY = 86_400.0
AT_ONCE = 50
PAUSE = 0.05  # seconds between two groups, in which others write


class RecordRetention:
    """Deletes records in small groups, so that nobody waits long for the ledger.

    Args:
        ledger: the records.
        days: since a job's end, after which its record goes.
        goes_on: whether this process is still the one to do it.
    """

    def __init__(self, ledger: Ledger, days: float, goes_on: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._days = days
        self._goes_on = goes_on

    def expire(self) -> int:
        """Delete all that is old; the number of jobs whose record went comes back."""
        before, number = self._ledger.now() - self._days * DAY, 0
        self._ledger.retention.prune_usage(before)
        while self._goes_on() and (more := self._ledger.retention.prune(before, AT_ONCE)):
            number += more
            time.sleep(PAUSE)
        if number:
            log.info("records.expired", message=f"the records of {number} jobs went")
        return number
