"""What ends by time alone: workers' leases, and the time within which a job has to start."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.jobs import ErrorClass, JobState
from tasks.ledger.lifecycle.endings import Ending, end_all
from tasks.ledger.lifecycle.give_back import free, unlocked
from tasks.ledger.sql.schema import NO_QUEUES, live, workers
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import Freed

FORGET_SECONDS = 86_400.0  # a worker gone for so long is not shown any more


def expire_workers(transaction: Transaction, max_attempts: int) -> list[Freed]:
    """Take workers whose lease ran out for dead; their jobs are free again, at the cost of an attempt.

    Those of a worker that was told to end, and was killed before it had finished, cost none.
    """
    connection, now = transaction.connection, transaction.now
    alive = workers.c.lease_until.isnot(None)
    silent = _unlocked(workers.c.lease_until <= now)
    connection.execute(sa.update(workers).where(silent).values(lease_until=None, model_loaded=False))
    forgotten = _unlocked((workers.c.seen_at < now - FORGET_SECONDS) & ~alive)
    connection.execute(sa.delete(workers).where(forgotten))
    holder = (workers.c.id == live.c.worker) & (workers.c.epoch == live.c.epoch)
    unheld = live.c.worker.isnot(None) & ~sa.exists().where(holder, alive)
    orderly = unheld & sa.exists().where(holder, workers.c.queues == NO_QUEUES)
    freed = free(transaction, orderly, max_attempts, reason="retired", charged=False)
    return freed + free(transaction, unheld, max_attempts)


def _unlocked(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Those workers' rows that no other session is changing, such as a worker that was cut off in that."""
    return workers.c.id.in_(sa.select(workers.c.id).where(condition).with_for_update(skip_locked=True))


def expire_deadlines(transaction: Transaction) -> list[str]:
    """Fail the queued jobs whose time to start has passed; their ids come back."""
    late = (live.c.expires_at <= transaction.now) & (live.c.state == JobState.QUEUED)
    taken = sa.delete(live).where(unlocked(late)).returning(*live.c)
    jobs = transaction.connection.execute(taken).mappings().all()
    detail = "it could not start within the time it was given; try again when less is waiting"
    ending = Ending(state=JobState.FAILED, error_class=ErrorClass.DEADLINE, detail=detail)
    end_all(transaction, [(job, ending) for job in jobs])
    return [job["job_id"] for job in jobs]
