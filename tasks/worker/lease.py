"""A worker's sign of life in the ledger, with progress and vitals.

It is renewed every quarter of the lease, and every second while songs are being made: that is how often
those who wait see them move.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from observability.logging import get_logger
from tasks.ledger import Ledger, LedgerUnavailable, Vitals, WorkerInfo
from tasks.worker.attempts import Attempts
from tasks.worker.every import Every

log = get_logger()

RENEWALS = 4  # a lease: three may fail before it is lost
PROGRESS_SECONDS = 1.0
LATE_SECONDS = 2.0  # an answer that takes longer is no answer: no job is taken until one comes


class Lease:
    """Keeps the worker registered. A lost lease ends its runs, for their jobs are others' by now."""

    def __init__(
        self, ledger: Ledger, info: WorkerInfo, runs: Attempts, vitals: Callable[[], Vitals], seconds: float
    ) -> None:
        self._ledger = ledger
        self._info = info
        self._runs = runs
        self._vitals = vitals
        self.epoch = ledger.workers.register(info)
        self._asked_at: float | None = None  # when the renewal began that is under way
        self._failed = False
        self._idle = seconds / RENEWALS
        self._due = time.monotonic() + self._idle
        self._every = Every(min(self._idle, PROGRESS_SECONDS), self._renew_in_time, "lease")

    def _renew_in_time(self) -> None:
        if self._runs.all() or time.monotonic() >= self._due:
            self._due = time.monotonic() + self._idle
            self.renew()

    @property
    def answered(self) -> bool:
        """Whether the ledger answers: the last renewal came to its end, and none is overdue."""
        asked_at = self._asked_at
        return not self._failed and (asked_at is None or time.monotonic() - asked_at < LATE_SECONDS)

    def renew(self) -> None:
        """Say that the worker lives; hear what was cancelled, and whether the lease still holds."""
        progress, vitals = {run.job.id: run.progress for run in self._runs.all()}, self._vitals()
        self._asked_at = time.monotonic()
        try:
            renewal = self._ledger.workers.renew(self._info.id, self.epoch, progress, vitals)
            self._failed = False
        except LedgerUnavailable as error:
            self._failed = True
            self._due = 0.0  # by the next look, and not only at the next renewal's time
            log.warning("worker.ledger_unavailable", message=str(error))
            return
        finally:
            self._asked_at = None
        for job_id in renewal.cancelled:
            self._runs.cancel(job_id)
        if not renewal.alive and not self._resumed():
            self._start_over()

    def doubt(self) -> None:
        """Something else found the ledger away: ask it at once, rather than at the next renewal."""
        self._failed, self._due = True, 0.0

    def _resumed(self) -> bool:
        """Whether the lease is taken up again: the ledger was away for so long that nobody could renew it."""
        try:
            resumed = self._ledger.workers.resume(self._info.id, self.epoch)
        except LedgerUnavailable as error:
            log.warning("worker.ledger_unavailable", message=str(error))
            return True  # the next renewal will tell
        if resumed:
            log.info("worker.lease_resumed", message="the lease ran out while the ledger was away; it holds")
        return resumed

    def retire(self) -> None:
        """Leave the ledger: nothing runs here any more."""
        self._every.stop()
        try:
            self._ledger.workers.retire(self._info.id, self.epoch)
        except LedgerUnavailable as error:
            log.warning("worker.ledger_unavailable", message=f"not retired, so the lease runs out: {error}")

    def _start_over(self) -> None:
        lost = self._runs.all()
        for run in lost:
            run.interrupt("lease_lost")
        log.warning("worker.lease_lost", message=f"{len(lost)} jobs are others' now; this worker starts over")
        self.epoch = self._ledger.workers.register(self._info)
