"""What the dispatcher does to the ledger: release jobs, and take back what was lost."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tasks.ledger.lifecycle import deadlines, nodes, release, sharing, workers
from tasks.ledger.lifecycle.release import Window
from tasks.ledger.opened import Opened
from tasks.ledger.records import Freed, Release


class Dispatching(Opened):
    """One process at a time does these, by a lease that it takes here."""

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

    def expire_workers(self) -> Sequence[Freed]:
        """Free the jobs of workers whose lease ran out."""
        return self._write(lambda c, now: workers.expire(c, now, self._shard, self._max_attempts))

    def expire_deadlines(self) -> Sequence[str]:
        """Fail the queued jobs that could not start in time."""
        return self._write(lambda c, now: deadlines.expire(c, now, self._shard))

    def release_orphans(self) -> int:
        """Let those run whose leader is gone."""
        return self._write(lambda c, _: sharing.release_orphans(c))
