"""Workers' leases: a sign of life every few seconds, with how far their jobs are."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict

import sqlalchemy as sa

from tasks.jobs import ErrorClass
from tasks.ledger.lifecycle.give_back import free
from tasks.ledger.sql.schema import NO_QUEUES, live, workers
from tasks.ledger.sql.statements import as_rows, given, insert
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import Freed, Renewal, Vitals, WorkerInfo

Progress = Mapping[str, tuple[float, str | None]]
"""The share that is done of each job, 0..1, and its stage in words."""


def register(transaction: Transaction, info: WorkerInfo, lease: float, max_attempts: int) -> int:
    """Begin a worker's next epoch; what its last one left running is free again.

    It costs an attempt unless that one was told to end.
    """
    connection, now = transaction.connection, transaction.now
    said = connection.scalar(sa.select(workers.c.queues).where(workers.c.id == info.id))
    row = asdict(info) | {"queues": json.dumps(info.queues), "seen_at": now, "lease_until": now + lease}
    statement = insert(connection, workers).values(row | {"epoch": 1})
    renewed = row | {"epoch": workers.c.epoch + 1, "model_loaded": False}
    epoch = connection.scalar(
        statement.on_conflict_do_update(index_elements=["id"], set_=renewed).returning(workers.c.epoch)
    )
    left, orderly = (live.c.worker == info.id) & (live.c.epoch < epoch), said == NO_QUEUES
    reason = "retired" if orderly else ErrorClass.WORKER_LOST
    free(transaction, left, max_attempts, reason=reason, charged=not orderly)
    return int(epoch or 1)


def renew(
    transaction: Transaction, worker: str, epoch: int, progress: Progress, vitals: Vitals | None, lease: float
) -> Renewal:
    """Prolong a lease, and note how far its jobs are."""
    connection, now = transaction.connection, transaction.now
    measured = asdict(vitals) if vitals else {}
    holds = (workers.c.id == worker) & (workers.c.epoch == epoch) & (workers.c.lease_until > now)
    statement = sa.update(workers).where(holds).values(seen_at=now, lease_until=now + lease, **measured)
    if connection.execute(statement).rowcount == 0:
        return Renewal(alive=False)
    _note_progress(connection, worker, epoch, progress)
    flagged = sa.select(live.c.job_id).where(
        live.c.worker == worker, live.c.epoch == epoch, live.c.cancel.is_(True)
    )
    return Renewal(alive=True, cancelled=frozenset(connection.scalars(flagged)))


def resume(transaction: Transaction, worker: str, epoch: int, lease: float) -> bool:
    """Take up a lease that ran out, if nobody took the worker for dead: then its jobs are its own still."""
    known = (workers.c.id == worker) & (workers.c.epoch == epoch) & workers.c.lease_until.isnot(None)
    values = {"seen_at": transaction.now, "lease_until": transaction.now + lease}
    return transaction.connection.execute(sa.update(workers).where(known).values(values)).rowcount > 0


def _note_progress(connection: sa.Connection, worker: str, epoch: int, progress: Progress) -> None:
    if not progress:
        return
    said = given(connection, [live.c.job_id, live.c.progress, live.c.stage])
    mine = (live.c.worker == worker) & (live.c.epoch == epoch) & (live.c.job_id == said.c.job_id)
    statement = sa.update(live).where(mine).values(progress=said.c.progress, stage=said.c.stage)
    rows = [(job_id, share, stage) for job_id, (share, stage) in progress.items()]
    connection.execute(statement, {"given": as_rows(rows)})


def claimed(connection: sa.Connection, worker: str, epoch: int, before: float) -> set[str]:
    """What runs at a worker since before a time."""
    theirs = (live.c.worker == worker) & (live.c.epoch == epoch) & (live.c.started_at < before)
    return set(connection.scalars(sa.select(live.c.job_id).where(theirs)))


def free_unknown(
    transaction: Transaction, worker: str, epoch: int, unknown: Collection[str], max_attempts: int
) -> list[Freed]:
    """Free what a worker claimed and does not know of: the answer to its claim was lost."""
    theirs = (live.c.worker == worker) & (live.c.epoch == epoch) & live.c.job_id.in_(list(unknown))
    return free(transaction, theirs, max_attempts, reason="claim_lost", charged=False)


def leave(transaction: Transaction, worker: str, epoch: int) -> None:
    """Note that a worker was told to end: it gets nothing new, and what it cannot finish costs no attempt."""
    theirs = (workers.c.id == worker) & (workers.c.epoch == epoch)
    transaction.connection.execute(sa.update(workers).where(theirs).values(queues=NO_QUEUES))


def retire(transaction: Transaction, worker: str, epoch: int, max_attempts: int) -> list[Freed]:
    """End a worker's lease on its own wish; what it still ran goes back without a charge."""
    statement = sa.update(workers).where(workers.c.id == worker, workers.c.epoch == epoch)
    transaction.connection.execute(statement.values(lease_until=None, model_loaded=False, queues=NO_QUEUES))
    left = (live.c.worker == worker) & (live.c.epoch == epoch)
    return free(transaction, left, max_attempts, reason="retired", charged=False)
