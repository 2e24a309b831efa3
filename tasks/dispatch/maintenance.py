"""What has to be looked after in the ledger, whether the broker answers or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from observability.logging import get_logger
from observability.tracing import trace_id
from tasks.dispatch.fleet import Fleet
from tasks.ends import log_end
from tasks.ledger import Freed, Ledger, WorkerView

log = get_logger()

AFFINITY_SECONDS = 4.0  # then anybody may take a job meant for one machine


class Maintenance:
    """Frees the jobs of dead workers, ends those that are too late, and moves those that wait in vain."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._clock = clock
        self.fleet = Fleet()
        self.waiting = True  # whether any job stands in line, here or at the broker
        self._heard_at = float("-inf")

    def hear_everyone(self) -> None:
        """Take nobody for dead before all had time to renew: the ledger was away for them, too."""
        self._heard_at = self._clock() + self._ledger.workers.lease_seconds

    def _end(self) -> None:
        """What ends by time, or has ended without a log line."""
        if self._clock() >= self._heard_at:
            _log_freed(self._ledger.dispatch.expire_workers())
        self._ledger.dispatch.expire_deadlines()
        self._ledger.dispatch.release_orphans()
        _log_ends(self._ledger)

    def run(self, workers: Sequence[WorkerView]) -> list[str]:
        """Free, end and move what is due.

        Returns:
            Queues without any worker left, whose messages may be thrown away.
        """
        due = self._ledger.dispatch.due()
        self.waiting = due.lines
        if due.endings:
            self._end()
        self.fleet = self.fleet.next(workers, self._clock())
        if not due.lines:
            return []
        self._leave_versions()
        return self._leave_machines()

    def _leave_machines(self) -> list[str]:
        """Move jobs away from machines that are gone, or that do not take them in time."""
        gone = []
        for queue in self._ledger.dispatch.machine_queues():
            served = self.fleet.slots(queue) > 0
            moved = self._ledger.dispatch.to_shared(queue, waited=AFFINITY_SECONDS if served else None)
            if moved and not served:
                gone.append(queue)
        return gone

    def _leave_versions(self) -> None:
        """Move jobs away from model versions nobody runs."""
        waiting = [queue for queue in self._ledger.dispatch.waiting_queues() if "@" in queue]
        for queue, other in self.fleet.orphaned(waiting):
            moved = self._ledger.dispatch.to_version(queue, other)
            message = f"{len(moved)} jobs go from {queue}, which nobody serves, to {other}"
            log.warning("queue.moved", message=message)


def _log_freed(freed: Sequence[Freed]) -> None:
    for job in freed:
        if job.ended:
            continue
        fields = {"job": {"id": job.job_id}, "attempt": job.attempt, "reason": "worker_lost"}
        trace = {"id": trace_id(job.traceparent)} if job.traceparent else {}
        log.warning("job.requeued", trace=trace, tutti=fields)


def _log_ends(ledger: Ledger) -> None:
    """Log what nobody else does; if this process dies in between some are logged twice, none is missing."""
    while jobs := ledger.ends.unlogged():
        for job in jobs:
            log_end(job, made_by=ledger.views.get(str(job.extra.get("cache_of"))) if job.cache_hit else None)
        ledger.ends.logged([job.id for job in jobs])
