"""What people and programs do by way of the web: ask for songs, and take that back."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import sqlalchemy as sa

from tasks.jobs import Job, JobState
from tasks.ledger.lifecycle.endings import cancelled, end_all
from tasks.ledger.sql import queries
from tasks.ledger.sql.disk_guard import DiskGuard
from tasks.ledger.sql.schema import live
from tasks.ledger.sql.store import Store, writes
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.sql.writer import resolve
from tasks.ledger.submissions.accept import accept_all
from tasks.ledger.values.errors import UnknownJob
from tasks.ledger.values.records import Accepted, NewJob


class Submissions:
    """Takes jobs in, all that wait by one statement a table and one commit.

    Args:
        store: The ledger's.
        max_queued: Jobs that may wait; more are refused with LedgerFull.
    """

    def __init__(self, store: Store, max_queued: int) -> None:
        self._store = store
        self._max_queued = max_queued
        self._disk = DiskGuard(store.database.path)

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
        refusal = self._disk.refusal()
        if refusal is None:
            return self._store.writer.submit_many(self._accept_all, new)
        refused: Future[list[Accepted | Exception]] = Future()
        refused.set_result([refusal] * len(new))
        return refused

    def _accept_all(self, transaction: Transaction, new: Sequence[NewJob]) -> list[Accepted | Exception]:
        return accept_all(transaction, new, self._max_queued)

    @writes
    def cancel(self, transaction: Transaction, job_id: str) -> Job:
        """Cancel a queued job at once, a running one through its worker.

        Raises:
            UnknownJob
        """
        connection = transaction.connection
        queued = sa.delete(live).where(live.c.job_id == job_id, live.c.state == JobState.QUEUED)
        job = connection.execute(queued.returning(*live.c)).mappings().first()
        if job:
            end_all(transaction, [(job, cancelled())])
        else:
            connection.execute(sa.update(live).where(live.c.job_id == job_id).values(cancel=True))
        found = queries.get(connection, job_id)
        if found is None:
            raise UnknownJob(f"there is no job {job_id}")
        return found
