"""What people and programs do to the ledger by way of the web: ask for songs, and take that back."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from tasks.jobs import Job
from tasks.ledger.lifecycle import moves
from tasks.ledger.opened import Opened
from tasks.ledger.records import Accepted, NewJob
from tasks.ledger.sql import queries
from tasks.ledger.sql.writer import resolve


class Desk(Opened):
    """Takes jobs in."""

    def accept(self, new: NewJob) -> Future[Accepted]:
        """Write a job down; the future is resolved when it is durable.

        Raises (through the future):
            IdempotencyConflict, LedgerFull, LedgerUnavailable, QuotaExceeded
        """
        answer: Future[Accepted] = Future()
        self.accept_many([new]).add_done_callback(
            lambda done: resolve(answer, done.exception() or done.result()[0])
        )
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

    def cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once, a running one through its worker.

        Raises:
            UnknownJob
        """
        return self._write(lambda c, now: moves.cancel(c, now, self._shard, job_id))
