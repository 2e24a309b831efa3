"""Workers' leases: a sign of life every few seconds, with how far their jobs are."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import cache

import sqlalchemy as sa

from tasks.jobs import ErrorClass
from tasks.ledger.lifecycle.give_back import free
from tasks.ledger.sql.schema import NO_QUEUES, live, workers
from tasks.ledger.sql.statements import as_rows, given_on, insert
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
    connection: sa.Connection,
    now: float,
    worker: str,
    epoch: int,
    progress: Progress,
    vitals: Vitals | None,
    lease: float,
) -> Renewal:
    """Prolong a lease, and note how far its jobs are: by one statement where the database can.

    What runs for longer than a lease is told, too: a worker that does not know of it missed its own claim.
    """
    measured = tuple(asdict(vitals)) if vitals else ()
    values = {
        "p_worker": worker,
        "p_epoch": epoch,
        "p_now": now,
        "p_until": now + lease,
        "p_old": now - lease,
    }
    values |= {f"p_{name}": value for name, value in asdict(vitals).items()} if vitals else {}
    known = values | {"given": as_rows([(job_id, *told) for job_id, told in progress.items()])}
    renewed, noted, running = _renew_on(connection.dialect.name, measured, bool(progress))
    if noted is None:
        rows = connection.execute(running, known).all()
        if not rows:
            return Renewal(alive=False)
    else:
        if connection.execute(renewed, values).rowcount == 0:
            return Renewal(alive=False)
        if progress:
            connection.execute(noted, known)
        rows = connection.execute(running, values).all()
    return Renewal(
        alive=True,
        cancelled=frozenset(row.job_id for row in rows if row.job_id and row.cancel),
        old=frozenset(row.job_id for row in rows if row.job_id and row.old),
    )


@cache
def _renew_on(
    dialect: str, measured: tuple[str, ...], progresses: bool
) -> tuple[sa.Executable, sa.Executable | None, sa.Executable]:
    """The renewal, the note of progress, and what runs; on a server the last of them does all three."""
    worker, epoch = sa.bindparam("p_worker", type_=sa.Text), sa.bindparam("p_epoch", type_=sa.Integer)
    now, old = sa.bindparam("p_now", type_=sa.Double), sa.bindparam("p_old", type_=sa.Double)
    holds = (workers.c.id == worker) & (workers.c.epoch == epoch) & (workers.c.lease_until > now)
    values = {name: sa.bindparam(f"p_{name}", type_=workers.c[name].type) for name in measured}
    until = sa.bindparam("p_until", type_=sa.Double)
    renewed = sa.update(workers).where(holds).values(seen_at=now, lease_until=until, **values)
    said = given_on(dialect, [live.c.job_id, live.c.progress, live.c.stage])
    mine = (live.c.worker == worker) & (live.c.epoch == epoch)
    noted = (
        sa.update(live)
        .where(mine, live.c.job_id == said.c.job_id)
        .values(progress=said.c.progress, stage=said.c.stage)
    )
    columns = (live.c.job_id, live.c.cancel, (live.c.started_at < old).label("old"))
    if dialect == "sqlite":
        return renewed, noted, sa.select(*columns).where(mine)
    ours = renewed.returning(workers.c.id).cte("renewed")
    running = sa.select(ours.c.id, *columns).select_from(ours.outerjoin(live, mine))
    if progresses:
        running = running.add_cte(noted.where(sa.exists(sa.select(ours.c.id))).cte("noted"))
    return renewed, None, running


def resume(transaction: Transaction, worker: str, epoch: int, lease: float) -> bool:
    """Take up a lease that ran out, if nobody took the worker for dead: then its jobs are its own still."""
    known = (workers.c.id == worker) & (workers.c.epoch == epoch) & workers.c.lease_until.isnot(None)
    values = {"seen_at": transaction.now, "lease_until": transaction.now + lease}
    return transaction.connection.execute(sa.update(workers).where(known).values(values)).rowcount > 0


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
