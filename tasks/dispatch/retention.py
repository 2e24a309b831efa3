"""What is too old, or too much: every few minutes songs, uploads and records are looked through."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from observability.logging import get_logger
from tasks.jobs import JobError
from tasks.ledger import Ledger
from tasks.storage.songs import Storage
from tasks.storage.uploads import Uploads

log = get_logger()

EVERY_SECONDS = 300.0
DAY = 86_400.0
SONGS_AT_ONCE = 100
RECORDS_AT_ONCE = 50
PAUSE = 0.05  # seconds between two groups of records, in which others write to the ledger
LEAST_AGE = 3600.0  # seconds: who has just uploaded is about to ask for a song


class RetentionSteps:
    """Calls each of its steps; one that fails leaves the others alone."""

    def __init__(self, steps: Sequence[Callable[[], int]]) -> None:
        self._steps = steps

    def step(self) -> float:
        """Do all of them; the seconds to pause come back."""
        for step in self._steps:
            try:
                step()
            except (JobError, OSError) as error:
                log.warning("storage.not_tidied", message=str(getattr(error, "detail", error)))
        return EVERY_SECONDS


class SongRetention:
    """Deletes songs, in small groups.

    Args:
        ledger: Which songs there are and when each was last used.
        storage: Where they lie.
        days: Age at which a song expires.
        share: Of the disk that may be taken, 0..1.
    """

    def __init__(self, ledger: Ledger, storage: Storage, days: float, share: float) -> None:
        self._ledger = ledger
        self._storage = storage
        self._days = days
        self._share = share

    def expire(self) -> int:
        """Delete what is too old or too much; the number of jobs that lost their audio comes back."""
        self._storage.sweep()
        number = self._all_older(self._days * DAY)
        while self._storage.used_share() > self._share:
            more = self._ledger.retention.expire_songs(self._storage.remove, 0.0, SONGS_AT_ONCE)
            number += more
            if not more:
                log.warning("storage.full", message="other files fill the disk more than songs may")
                break
        return number

    def _all_older(self, seconds: float) -> int:
        number = 0
        while more := self._ledger.retention.expire_songs(self._storage.remove, seconds, SONGS_AT_ONCE):
            number += more
        return number


class UploadRetention:
    """Deletes uploads.

    Args:
        uploads: Where they lie.
        needed: Gives the ids that open jobs refer to.
        days: Since its last use, after which an upload expires.
        share: Of the disk that may be taken, 0..1.
    """

    def __init__(
        self, uploads: Uploads, needed: Callable[[], Collection[str]], days: float, share: float
    ) -> None:
        self._uploads = uploads
        self._needed = needed
        self._days = days
        self._share = share

    def expire(self) -> int:
        """Delete what is too old, or all that may go where the disk is too full; how many comes back."""
        full = self._uploads.used_share() > self._share
        number = self._uploads.expire(LEAST_AGE if full else self._days * DAY, self._needed())
        if number:
            log.info("uploads.expired", message=f"{number} uploads went")
        return number


class RecordRetention:
    """Deletes records in small groups, so that nobody waits long for the ledger.

    Args:
        ledger: The records.
        days: Since a job's end, after which its record goes.
        goes_on: Whether this process is still the one to do it.
    """

    def __init__(self, ledger: Ledger, days: float, goes_on: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._days = days
        self._goes_on = goes_on

    def expire(self) -> int:
        """Delete all that is old; the number of jobs whose record went comes back."""
        before, number = self._ledger.now() - self._days * DAY, 0
        self._ledger.retention.prune_sums(before)
        self._ledger.retention.fold_counters()
        while self._goes_on() and (more := self._ledger.retention.prune(before, RECORDS_AT_ONCE)):
            number += more
            time.sleep(PAUSE)
        if number:
            log.info("records.expired", message=f"the records of {number} jobs went")
        return number
