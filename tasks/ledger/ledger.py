"""The ledger: the durable record of every job and worker. Every method is safe from many threads."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Self

import sqlalchemy as sa

from tasks.jobs import ErrorClass, Job, JobState, Output, Timings
from tasks.ledger import (
    accept,
    claims,
    deadlines,
    finishes,
    history,
    moves,
    nodes,
    queries,
    release,
    retention,
    sharing,
    standing,
    untold,
    waiting,
    workers,
)
from tasks.ledger.claims import Claim
from tasks.ledger.database import Database, DatabaseClock
from tasks.ledger.finishes import Finish
from tasks.ledger.migrate import migrate
from tasks.ledger.records import (
    Accepted,
    Freed,
    Look,
    NewJob,
    Page,
    QueueView,
    Release,
    Renewal,
    Snapshot,
    Transition,
    Vitals,
    WebNode,
    WorkerInfo,
    WorkerView,
)
from tasks.ledger.release import Window
from tasks.ledger.room import Room
from tasks.ledger.together import Together
from tasks.ledger.writer import Change, T, Writer
from tasks.settings import Settings

SHARDS = 64


class Ledger:
    """Opens, and brings up to date, the ledger at a SQLAlchemy URL.

    Args:
        url: of a SQLite file or a PostgreSQL database.
        max_queued: jobs that may wait; more are refused with LedgerFull.
        max_attempts: runs a job may lose before it fails.
        lease_seconds: a worker silent for so long is taken for dead.
        clock: Unix seconds; default: the database server's time.

    Raises:
        LedgerUnavailable: the database cannot be reached or written.
    """

    def __init__(
        self,
        url: str,
        *,
        max_queued: int = 100_000,
        max_attempts: int = 3,
        lease_seconds: float = 10.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._database = Database(url)
        self._max_queued = max_queued
        self._max_attempts = max_attempts
        self._lease = lease_seconds
        self._shard = os.getpid() % SHARDS
        self.now = clock or DatabaseClock(self._database)
        self.name = secrets.token_hex(8)  # of this process, as a holder of leases
        migrate(self._database)
        self._room = Room(self._database.path)
        self._writer = Writer(self._database, self.now, self._accept_all)
        self._together = Together(self._writer, self._claim_and_finish)
        self._lines = waiting.Lines(self._database, self.now)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Open the ledger that these settings name."""
        return cls(
            settings.ledger,
            max_queued=settings.max_queued,
            max_attempts=settings.max_attempts,
            lease_seconds=settings.lease_seconds,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        self._writer.close()
        self._database.close()

    def check(self) -> None:
        """Raise LedgerUnavailable unless the database answers."""
        with self._database.read() as connection:
            connection.execute(sa.select(1))

    def _accept_all(self, connection: sa.Connection, now: float, new: Sequence[NewJob]) -> list[Any]:
        return list(accept.accept_all(connection, now, self._shard, new, self._max_queued))

    def _claim_and_finish(
        self, connection: sa.Connection, now: float, asked: Sequence[Claim | Finish]
    ) -> list[Any]:
        begun = [one for one in asked if isinstance(one, Claim)]
        ended = [one for one in asked if isinstance(one, Finish)]
        claimed = iter(claims.claim(connection, now, self._shard, begun))
        finished = iter(finishes.finish(connection, now, self._shard, ended))
        return [next(claimed if isinstance(one, Claim) else finished) for one in asked]

    def _write(self, change: Change[T]) -> T:
        return self._writer.submit(change).result()

    # the web's side

    def accept(self, new: NewJob) -> Future[Accepted]:
        """Write a job down; the future is resolved when it is durable.

        Raises (through the future):
            IdempotencyConflict, LedgerFull, LedgerUnavailable, QuotaExceeded
        """
        answer: Future[Accepted] = Future()
        self.accept_many([new]).add_done_callback(lambda done: _pass_on(done, answer))
        return answer

    def accept_many(self, new: Sequence[NewJob]) -> Future[list[Accepted | Exception]]:
        """Write jobs down by one commit; the answers, or refusals, come in their order."""
        refusal = self._room.refusal()
        if refusal is None:
            return self._writer.accept(new)
        refused: Future[list[Accepted | Exception]] = Future()
        refused.set_result([refusal] * len(new))
        return refused

    def retry(self, job_id: str, new_id: str, traceparent: str | None = None) -> Accepted:
        """Ask for the same again, seed included, as a new job."""
        with self._database.read() as connection:
            old = queries.get_one(connection, job_id)
        new = NewJob(
            id=new_id,
            request=old.request,
            model_queue=old.extra["model_queue"],
            owner=old.owner,
            lane=old.lane,
            traceparent=traceparent or old.traceparent,
        )
        return self.accept(new).result()

    def get(self, job_id: str) -> Job | None:
        """A job by its id."""
        with self._database.read() as connection:
            return queries.get(connection, job_id)

    def list(
        self,
        owner: str | None = None,
        state: JobState | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Page:
        """Jobs, newest first."""
        with self._database.read() as connection:
            return queries.page(connection, owner, state, cursor, limit)

    def history(self, job_id: str) -> Sequence[Transition]:
        """Every change of a job's state since it was accepted."""
        with self._database.read() as connection:
            return history.of(connection, job_id)

    def watch(self, ids: Collection[str]) -> dict[str, Snapshot]:
        """How far jobs are: one cheap read for all who wait; unknown ids are left out."""
        return self._lines.snapshots(ids)

    def look(self, ids: Sequence[str]) -> Sequence[Look | None]:
        """All about jobs, each with its place in line, by one read; None where an id is unknown."""
        found = self._lines.looks(set(ids))
        return [found.get(job_id) for job_id in ids]

    def cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once, a running one through its worker.

        Raises:
            UnknownJob
        """
        return self._write(lambda c, now: moves.cancel(c, now, self._shard, job_id))

    def counters(self) -> dict[str, int]:
        """Jobs by state, and how many were accepted, reused, joined, requeued, failed by class."""
        with self._database.read() as connection:
            return history.counts(connection)

    def queues(self) -> Sequence[QueueView]:
        """All queues something waits for or runs from; at most a second old."""
        return self._lines.queues()

    def find_finished(self, fingerprint: str) -> Job | None:
        """The job whose finished audio has this fingerprint."""
        with self._database.read() as connection:
            job_id = sharing.find_finished(connection, fingerprint)
            return queries.get(connection, job_id) if job_id else None

    def register_web(self, node: str, address: str) -> None:
        """A web process is there."""
        self._write(lambda c, now: nodes.beat(c, now, node, address, healthy=True, reason=None))

    def beat_web(self, node: str, healthy: bool, reason: str | None = None) -> None:
        """A web process's sign of life."""
        self._write(lambda c, now: nodes.beat(c, now, node, None, healthy=healthy, reason=reason))

    def forget_web(self, node: str) -> None:
        """A web process leaves."""
        self._write(lambda c, _: nodes.forget(c, node))

    def web_nodes(self) -> Sequence[WebNode]:
        """The web processes, for the gateway."""
        with self._database.read() as connection:
            return nodes.views(connection)

    def retention(
        self, delete: Callable[[Sequence[str]], object], older_than: float, limit: int = 100
    ) -> int:
        """Delete audio last used `older_than` seconds ago or more; the number of jobs comes back.

        Args:
            delete: deletes files by name; it may raise, and is then called again with the same the next time.
            older_than: age in seconds.
            limit: at most so many jobs, the oldest first.
        """
        before = self.now() - older_than
        chosen = self._write(lambda c, _: retention.choose(c, before, limit))
        if chosen:
            delete([name for job in chosen for name in job.names])
            self._write(lambda c, now: retention.forget(c, now, [job.job_id for job in chosen]))
        return len(chosen)

    # the worker's side

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

    def workers(self) -> Sequence[WorkerView]:
        """All workers that were seen within a day."""
        with self._database.read() as connection:
            return workers.views(connection, self.now())

    # the dispatcher's side

    def lead(self, name: str, seconds: float) -> bool:
        """Take or prolong the lease `name` for this process; False while another holds it."""
        return self._write(lambda c, now: nodes.lead(c, now, name, self.name, seconds))

    def leave(self, name: str) -> None:
        """Give the lease `name` up."""
        self._write(lambda c, _: nodes.leave(c, name, self.name))

    def release(self, window: int | Window) -> Sequence[Release]:
        """Mark the next jobs of every queue as released: at most `window` unclaimed a queue."""
        limit: Window = window if callable(window) else lambda _: window
        with self._database.read() as connection:
            chosen = release.plan(connection, limit)
        return self._write(lambda c, now: release.mark(c, now, chosen)) if chosen else []

    def unrelease_stale(self, queue: str, after: float) -> Sequence[str]:
        """Take back what was released to a queue `after` seconds ago and nobody claimed.

        Each further time that a job is taken back it is given twice as long.
        """
        return self._write(lambda c, now: release.stale(c, now, queue, after))

    def unrelease(self, job_ids: Collection[str]) -> Sequence[str]:
        """Take back released jobs, as after a failed publish."""
        return self._write(lambda c, _: release.take_back(c, release.one_of(job_ids)))

    def to_shared(self, queue: str, waited: float | None = None) -> Sequence[str]:
        """Move a machine's queued jobs to their model's queue; with `waited`, those that waited so long."""
        return self._write(
            lambda c, now: release.to_shared(c, queue, None if waited is None else now - waited)
        )

    def to_version(self, old: str, new: str) -> Sequence[str]:
        """Move the queued jobs of one model version to another, whose workers have taken over."""
        return self._write(lambda c, _: release.to_version(c, old, new))

    def waiting_queues(self) -> Sequence[str]:
        """The queues that hold jobs to be released."""
        with self._database.read() as connection:
            return release.waiting_queues(connection)

    def machine_queues(self) -> Sequence[str]:
        """The queues of single devices and machines that hold jobs."""
        with self._database.read() as connection:
            return release.machine_queues(connection)

    def ended(self, seconds: float) -> Sequence[standing.Ended]:
        """What succeeded or failed in the last `seconds`, as far as the latest few thousand tell."""
        with self._database.read() as connection:
            return standing.ended(connection, self.now() - seconds)

    def still_open(self) -> tuple[int, float]:
        """How many jobs have not ended, and the age of the oldest in seconds."""
        with self._database.read() as connection:
            number, since = standing.still_open(connection)
        return number, max(0.0, self.now() - since) if since is not None else 0.0

    def expire_workers(self) -> Sequence[Freed]:
        """Free the jobs of workers whose lease ran out."""
        return self._write(lambda c, now: workers.expire(c, now, self._shard, self._max_attempts))

    def expire_deadlines(self) -> Sequence[str]:
        """Fail the queued jobs that could not start in time."""
        return self._write(lambda c, now: deadlines.expire(c, now, self._shard))

    def untold(self) -> Sequence[Job]:
        """Jobs that have ended and of which nobody has left a line; see `told`."""
        with self._database.read() as connection:
            return untold.jobs(connection)

    def told(self, job_ids: Collection[str]) -> None:
        """A line was left of these jobs' ends."""
        self._write(lambda c, _: untold.forget(c, job_ids))

    def release_orphans(self) -> int:
        """Let those run whose leader is gone."""
        return self._write(lambda c, _: sharing.release_orphans(c))


def _pass_on(done: Future[list[Accepted | Exception]], answer: Future[Accepted]) -> None:
    """Give the only answer of many to the one who asked."""
    result = done.exception() or done.result()[0]
    if not answer.set_running_or_notify_cancel():
        return
    if isinstance(result, Accepted):
        answer.set_result(result)
    else:
        answer.set_exception(result)
