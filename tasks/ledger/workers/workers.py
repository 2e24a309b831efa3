"""A worker's door to the ledger."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tasks.jobs import ErrorClass, Job, Output, Timings
from tasks.ledger.lifecycle.give_back import take_back
from tasks.ledger.sql.grouped_calls import GroupedCalls
from tasks.ledger.sql.schema import live
from tasks.ledger.sql.store import Store, writes
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import Freed, Renewal, Vitals, WorkerInfo
from tasks.ledger.workers import claims, finishes, leases, runs
from tasks.ledger.workers.claims import Claim
from tasks.ledger.workers.finishes import Finish
from tasks.ledger.workers.leases import Progress


class Workers:
    """A worker's moves: each names the worker and its epoch, and is made only if they still hold.

    Args:
        store: The ledger's.
        lease_seconds: A worker silent for so long is taken for dead.
        max_attempts: Runs a job may lose before it fails.
    """

    def __init__(self, store: Store, lease_seconds: float, max_attempts: int) -> None:
        self._store = store
        self.lease_seconds = lease_seconds
        self._max_attempts = max_attempts
        self._grouped = GroupedCalls(store.writer, _claim_and_finish)

    @writes
    def register(self, transaction: Transaction, info: WorkerInfo) -> int:
        """Begin a worker's next epoch, and its lease."""
        return leases.register(transaction, info, self.lease_seconds, self._max_attempts)

    def renew(
        self, worker: str, epoch: int, progress: Progress | None = None, vitals: Vitals | None = None
    ) -> Renewal:
        """A worker's sign of life, with how far its jobs are; says which of them are to be cancelled.

        Args:
            worker: Who lives.
            epoch: Since which registration.
            progress: Of all jobs it runs; what it claimed long ago and does not name is freed.
            vitals: Its device as it was last measured.
        """
        now, lease = self._store.now(), self.lease_seconds
        renewal = self._store.at_once(
            lambda connection: leases.renew(connection, now, worker, epoch, progress or {}, vitals, lease)
        )
        if progress is not None and (unknown := renewal.old - set(progress)):
            self._free_unknown(worker, epoch, unknown)
        return renewal

    @writes
    def resume(self, transaction: Transaction, worker: str, epoch: int) -> bool:
        """Take up a lease that ran out, as when the ledger was away; False: its jobs are others' by now."""
        return leases.resume(transaction, worker, epoch, self.lease_seconds)

    @writes
    def _free_unknown(
        self, transaction: Transaction, worker: str, epoch: int, unknown: Collection[str]
    ) -> None:
        leases.free_unknown(transaction, worker, epoch, unknown, self._max_attempts)

    @writes
    def leave(self, transaction: Transaction, worker: str, epoch: int) -> None:
        """A worker was told to end: it gets nothing new, and its jobs are not charged, however it ends."""
        leases.leave(transaction, worker, epoch)

    @writes
    def retire(self, transaction: Transaction, worker: str, epoch: int) -> Sequence[Freed]:
        """End a worker's lease; what it still ran goes back without a charge."""
        return leases.retire(transaction, worker, epoch, self._max_attempts)

    def claim(self, job_id: str, worker: str, epoch: int) -> Job | None:
        """Take a queued job for a run; None where it was cancelled, has ended, or runs elsewhere."""
        job: Job | None = self._grouped.ask(Claim(job_id, worker, epoch))
        return job

    @writes
    def decline(self, transaction: Transaction, job_id: str) -> None:
        """A job's message came to a worker that cannot take it: it is to be released once more."""
        take_back(transaction.connection, live.c.job_id == job_id)

    def finish(
        self,
        job_id: str,
        attempt: int,
        worker: str,
        epoch: int,
        outputs: Sequence[Output],
        timings: Timings | None = None,
        details: dict[str, Any] | None = None,
    ) -> bool:
        """A run's audio is published; False where the job is no longer this worker's."""
        mine = (job_id, attempt, worker, epoch)
        return bool(self._grouped.ask(Finish(mine, outputs, timings or Timings(), details or {})))

    @writes
    def fail(
        self,
        transaction: Transaction,
        job_id: str,
        attempt: int,
        worker: str,
        epoch: int,
        error_class: ErrorClass,
        detail: str,
    ) -> bool:
        """A run failed for good; False where the job is no longer this worker's."""
        return runs.fail(transaction, (job_id, attempt, worker, epoch), error_class, detail)

    @writes
    def hand_back(
        self,
        transaction: Transaction,
        job_id: str,
        attempt: int,
        worker: str,
        epoch: int,
        reason: str,
        charged: bool,
        alone: bool = False,
    ) -> bool:
        """Give a running job back to the queue.

        Args:
            transaction: Given by the writer.
            job_id: The job.
            attempt: Which of its runs this is.
            worker: Who ran it.
            epoch: Since which registration.
            reason: Why; where it is an ErrorClass, the job fails with it if this was its last attempt.
            charged: Whether it costs one of the job's attempts.
            alone: Whether the job has to run singly from now on.
        """
        mine = (job_id, attempt, worker, epoch)
        limit = self._max_attempts
        return runs.hand_back(
            transaction, mine, reason=reason, charged=charged, alone=alone, max_attempts=limit
        )


def _claim_and_finish(transaction: Transaction, asked: Sequence[Claim | Finish]) -> list[Any]:
    begun = [one for one in asked if isinstance(one, Claim)]
    ended = [one for one in asked if isinstance(one, Finish)]
    claimed = iter(claims.claim(transaction, begun))
    finished = iter(finishes.finish(transaction, ended))
    return [next(claimed if isinstance(one, Claim) else finished) for one in asked]
