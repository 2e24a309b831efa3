"""The readers' door to the ledger."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from tasks.jobs import Job, JobState
from tasks.ledger.sql import history, queries
from tasks.ledger.sql.schema import songs
from tasks.ledger.sql.store import Store, reads
from tasks.ledger.values.records import JobStatus, Page, QueueView, Snapshot, Transition, WorkerView
from tasks.ledger.views import fleet, recent
from tasks.ledger.views.lines import Lines
from tasks.ledger.views.recent import EndedJob


class Views:
    """Reads what is committed; nothing here writes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lines = Lines(store.database, store.now)

    @reads
    def get(self, connection: sa.Connection, job_id: str) -> Job | None:
        """A job by its id."""
        return queries.get(connection, job_id)

    @reads
    def page(
        self,
        connection: sa.Connection,
        owner: str | None = None,
        state: JobState | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Page:
        """Jobs, newest first."""
        return queries.page(connection, owner, state, cursor, limit)

    @reads
    def history(self, connection: sa.Connection, job_id: str) -> Sequence[Transition]:
        """Every change of a job's state since it was accepted."""
        return history.of(connection, job_id)

    def snapshots(self, ids: Collection[str]) -> dict[str, Snapshot]:
        """How far jobs are: one cheap read for all who wait; unknown ids are left out."""
        return self._lines.snapshots(ids)

    def statuses(self, ids: Sequence[str]) -> Sequence[JobStatus | None]:
        """All about jobs, each with its place in line, by one read; None where an id is unknown."""
        found = self._lines.statuses(set(ids))
        return [found.get(job_id) for job_id in ids]

    @reads
    def counters(self, connection: sa.Connection) -> dict[str, int]:
        """Jobs by state, and how many were accepted, reused, joined, requeued, failed by class."""
        return history.counts(connection)

    def queues(self) -> Sequence[QueueView]:
        """All queues something waits for or runs from; at most a second old."""
        return self._lines.queues()

    def pace(self) -> dict[str, float]:
        """Seconds that a job runs, by its model's queue: a running mean."""
        return self._lines.pace()

    @reads
    def find_finished(self, connection: sa.Connection, fingerprint: str) -> Job | None:
        """The job whose finished audio has this fingerprint."""
        statement = sa.select(songs.c.job_id).where(songs.c.fingerprint == fingerprint, songs.c.finished)
        job_id = connection.scalar(statement)
        return queries.get(connection, job_id) if job_id else None

    @reads
    def workers(self, connection: sa.Connection) -> Sequence[WorkerView]:
        """All workers that were seen within a day."""
        return fleet.seen(connection, self._store.now())

    @reads
    def ended(self, connection: sa.Connection, seconds: float) -> Sequence[EndedJob]:
        """What succeeded or failed in the last `seconds`, as far as the latest few thousand tell."""
        return recent.ended(connection, self._store.now() - seconds)

    @reads
    def still_open(self, connection: sa.Connection) -> tuple[int, float]:
        """How many jobs have not ended, and the age of the oldest in seconds."""
        number, since = recent.still_open(connection)
        return number, max(0.0, self._store.now() - since) if since is not None else 0.0
