"""What can be read in the ledger: jobs, their history, their places in line, counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tasks.jobs import Job, JobState
from tasks.ledger.lifecycle import sharing, workers
from tasks.ledger.opened import Opened
from tasks.ledger.records import Look, Page, QueueView, Snapshot, Transition, WorkerView
from tasks.ledger.sql import history, queries
from tasks.ledger.views import standing


class Reading(Opened):
    """Reads what is committed; nothing here writes."""

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

    def counters(self) -> dict[str, int]:
        """Jobs by state, and how many were accepted, reused, joined, requeued, failed by class."""
        with self._database.read() as connection:
            return history.counts(connection)

    def pace(self) -> dict[str, float]:
        """Seconds that a job runs, by its model's queue: a running mean."""
        return self._lines.pace()

    def queues(self) -> Sequence[QueueView]:
        """All queues something waits for or runs from; at most a second old."""
        return self._lines.queues()

    def find_finished(self, fingerprint: str) -> Job | None:
        """The job whose finished audio has this fingerprint."""
        with self._database.read() as connection:
            job_id = sharing.find_finished(connection, fingerprint)
            return queries.get(connection, job_id) if job_id else None

    def workers(self) -> Sequence[WorkerView]:
        """All workers that were seen within a day."""
        with self._database.read() as connection:
            return workers.views(connection, self.now())

    def ended(self, seconds: float) -> Sequence[standing.Ended]:
        """What succeeded or failed in the last `seconds`, as far as the latest few thousand tell."""
        with self._database.read() as connection:
            return standing.ended(connection, self.now() - seconds)

    def still_open(self) -> tuple[int, float]:
        """How many jobs have not ended, and the age of the oldest in seconds."""
        with self._database.read() as connection:
            number, since = standing.still_open(connection)
        return number, max(0.0, self.now() - since) if since is not None else 0.0
