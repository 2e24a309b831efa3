"""What is done in the ledger beside the jobs' own way: old audio, ends to be told of, web processes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from tasks.jobs import Job
from tasks.ledger.lifecycle import nodes, untold
from tasks.ledger.opened import Opened
from tasks.ledger.records import WebNode
from tasks.ledger.retention import songs as retention


class Housekeeping(Opened):
    """Chores that no job waits for."""

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

    def untold(self) -> Sequence[Job]:
        """Jobs that have ended and of which nobody has left a line; see `told`."""
        with self._database.read() as connection:
            return untold.jobs(connection)

    def told(self, job_ids: Collection[str]) -> None:
        """A line was left of these jobs' ends."""
        self._write(lambda c, _: untold.forget(c, job_ids))

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
