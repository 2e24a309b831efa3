"""What a worker does to the ledger: from its registration by claims and endings to its retirement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.jobs import ErrorClass, Job, Output, Timings
from tasks.ledger.lifecycle import moves, workers
from tasks.ledger.lifecycle.claims import Claim
from tasks.ledger.lifecycle.finishes import Finish
from tasks.ledger.opened import Opened
from tasks.ledger.records import Freed, Renewal, Vitals, WorkerInfo


class Shifts(Opened):
    """A worker's moves: each names the worker and its epoch, and is made only if they still hold."""

    def register_worker(self, info: WorkerInfo) -> int:
        """Begin a worker's next epoch, and its lease."""
        return self._write(
            lambda c, now: workers.register(c, now, self._shard, info, self._lease, self._max_attempts)
        )

    def renew(
        self,
        worker: str,
        epoch: int,
        progress: Mapping[str, tuple[float, str | None]] | None = None,
        vitals: Vitals | None = None,
    ) -> Renewal:
        """A worker's sign of life, with how far its jobs are; tells which of them are to be cancelled.

        Args:
            worker: who lives.
            epoch: since which registration.
            progress: (share, stage) of all jobs it runs; what it claimed long ago and does not name is freed.
            vitals: its device as it was last measured.
        """
        told = progress or {}
        renewal = self._write(lambda c, now: workers.renew(c, now, worker, epoch, told, vitals, self._lease))
        if renewal.alive and progress is not None:
            self._free_unknown(worker, epoch, set(told))
        return renewal

    def _free_unknown(self, worker: str, epoch: int, known: set[str]) -> None:
        """Free what a worker claimed and does not know of: the answer to its claim was lost."""
        with self._database.read() as connection:
            unknown = workers.claimed(connection, worker, epoch, self.now() - self._lease) - known
        if unknown:
            theirs = workers.one_of(worker, epoch, unknown)
            self._write(
                lambda c, now: workers.free(
                    c, now, self._shard, theirs, self._max_attempts, reason="claim_lost", charged=False
                )
            )

    def leave_worker(self, worker: str, epoch: int) -> None:
        """A worker was told to end: it gets nothing new, and its jobs are not charged, however it ends."""
        self._write(lambda c, _: workers.leave(c, worker, epoch))

    def retire_worker(self, worker: str, epoch: int) -> Sequence[Freed]:
        """End a worker's lease; what it still ran goes back without a charge."""
        return self._write(
            lambda c, now: workers.retire(c, now, self._shard, worker, epoch, self._max_attempts)
        )

    def claim(self, job_id: str, worker: str, epoch: int) -> Job | None:
        """Take a queued job for a run; None where it was cancelled, has ended, or runs elsewhere."""
        job: Job | None = self._together.ask(Claim(job_id, worker, epoch))
        return job

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
        return bool(self._together.ask(Finish(mine, outputs, timings or Timings(), details or {})))

    def fail(
        self, job_id: str, attempt: int, worker: str, epoch: int, error_class: ErrorClass, detail: str
    ) -> bool:
        """A run failed for good; False where the job is no longer this worker's."""
        mine = (job_id, attempt, worker, epoch)
        return self._write(lambda c, now: moves.fail(c, now, self._shard, mine, error_class, detail))

    def hand_back(
        self,
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
            job_id: the job.
            attempt: which of its runs this is.
            worker: who ran it.
            epoch: since which registration.
            reason: why; where it is an ErrorClass, the job fails with it if this was its last attempt.
            charged: whether it costs one of the job's attempts.
            alone: whether the job has to run singly from now on.
        """
        mine = (job_id, attempt, worker, epoch)
        return self._write(
            lambda c, now: moves.hand_back(
                c, now, self._shard, mine,
                reason=reason, charged=charged, alone=alone, max_attempts=self._max_attempts,
            )
        )  # fmt: skip
