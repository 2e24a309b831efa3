"""Workers' leases: a sign of life every few seconds, and what happens when it stays away."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.lifecycle import moves
from tasks.ledger.records import Freed, Renewal, Vitals, WorkerInfo, WorkerView
from tasks.ledger.sql.database import as_rows, given, insert
from tasks.ledger.sql.schema import live, workers

NO_QUEUES = "[]"  # of a worker that said that it left; one that was lost keeps its own
FORGET_SECONDS = 86_400.0  # a worker gone for so long is not shown any more


def register(
    connection: sa.Connection, now: float, shard: int, info: WorkerInfo, lease: float, max_attempts: int
) -> int:
    """Begin a worker's next epoch; what its last one left running is free again.

    It costs an attempt unless that one was told to end.
    """
    said = connection.scalar(sa.select(workers.c.queues).where(workers.c.id == info.id))
    row = asdict(info) | {"queues": json.dumps(info.queues), "seen_at": now, "lease_until": now + lease}
    statement = insert(connection, workers).values(row | {"epoch": 1})
    renewed = row | {"epoch": workers.c.epoch + 1, "model_loaded": False}
    epoch = connection.scalar(
        statement.on_conflict_do_update(index_elements=["id"], set_=renewed).returning(workers.c.epoch)
    )
    left = (live.c.worker == info.id) & (live.c.epoch < epoch)
    orderly = said == NO_QUEUES
    reason = "retired" if orderly else "worker_lost"
    free(connection, now, shard, left, max_attempts, reason=reason, charged=not orderly)
    return int(epoch or 1)


def renew(
    connection: sa.Connection,
    now: float,
    worker: str,
    epoch: int,
    progress: Mapping[str, tuple[float, str | None]],
    vitals: Vitals | None,
    lease: float,
) -> Renewal:
    """Prolong a lease, and note how far its jobs are."""
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


def _note_progress(
    connection: sa.Connection, worker: str, epoch: int, progress: Mapping[str, tuple[float, str | None]]
) -> None:
    if not progress:
        return
    told = given(connection, [live.c.job_id, live.c.progress, live.c.stage])
    mine = (live.c.worker == worker) & (live.c.epoch == epoch) & (live.c.job_id == told.c.job_id)
    statement = sa.update(live).where(mine).values(progress=told.c.progress, stage=told.c.stage)
    rows = [(job_id, share, stage) for job_id, (share, stage) in progress.items()]
    connection.execute(statement, {"given": as_rows(rows)})


def claimed(connection: sa.Connection, worker: str, epoch: int, before: float) -> set[str]:
    """What runs at a worker since before a time."""
    theirs = (live.c.worker == worker) & (live.c.epoch == epoch) & (live.c.started_at < before)
    return set(connection.scalars(sa.select(live.c.job_id).where(theirs)))


def one_of(worker: str, epoch: int, job_ids: Collection[str]) -> sa.ColumnElement[bool]:
    """Those of the jobs that run at a worker."""
    return (live.c.worker == worker) & (live.c.epoch == epoch) & live.c.job_id.in_(list(job_ids))


def leave(connection: sa.Connection, worker: str, epoch: int) -> None:
    """Note that a worker was told to end: it gets nothing new, and what it cannot finish costs no attempt."""
    theirs = (workers.c.id == worker) & (workers.c.epoch == epoch)
    connection.execute(sa.update(workers).where(theirs).values(queues=NO_QUEUES))


def retire(
    connection: sa.Connection, now: float, shard: int, worker: str, epoch: int, max_attempts: int
) -> list[Freed]:
    """End a worker's lease on its own wish; what it still ran goes back without a charge."""
    statement = sa.update(workers).where(workers.c.id == worker, workers.c.epoch == epoch)
    connection.execute(statement.values(lease_until=None, model_loaded=False, queues=NO_QUEUES))
    left = (live.c.worker == worker) & (live.c.epoch == epoch)
    return free(connection, now, shard, left, max_attempts, reason="retired", charged=False)


def expire(connection: sa.Connection, now: float, shard: int, max_attempts: int) -> list[Freed]:
    """Take workers whose lease ran out for dead; their jobs are free again, at the cost of an attempt.

    Those of a worker that was told to end, and was killed before it had finished, cost none.
    """
    dead = sa.update(workers).where(workers.c.lease_until <= now).values(lease_until=None, model_loaded=False)
    connection.execute(dead)
    connection.execute(sa.delete(workers).where(workers.c.seen_at < now - FORGET_SECONDS, ~_alive()))
    holder = (workers.c.id == live.c.worker) & (workers.c.epoch == live.c.epoch)
    unheld = live.c.worker.isnot(None) & ~sa.exists().where(holder, _alive())
    orderly = unheld & sa.exists().where(holder, workers.c.queues == NO_QUEUES)
    freed = free(connection, now, shard, orderly, max_attempts, reason="retired", charged=False)
    return freed + free(connection, now, shard, unheld, max_attempts)


def free(
    connection: sa.Connection,
    now: float,
    shard: int,
    condition: sa.ColumnElement[bool],
    max_attempts: int,
    *,
    reason: str = "worker_lost",
    charged: bool = True,
) -> list[Freed]:
    """Give back all running jobs that meet `condition`."""
    running = sa.select(live).where(condition, live.c.state == JobState.RUNNING).with_for_update()
    freed = []
    for job in connection.execute(running).mappings().all():
        ended = moves.give_back(
            connection, now, shard, job, reason, charged=charged, alone=False, max_attempts=max_attempts
        )
        freed.append(
            Freed(
                job_id=job["job_id"],
                attempt=job["attempt"],
                worker=job["worker"],
                ended=ended,
                traceparent=job["traceparent"],
            )
        )
    return freed


def _alive() -> sa.ColumnElement[bool]:
    return workers.c.lease_until.isnot(None)


def views(connection: sa.Connection, now: float) -> list[WorkerView]:
    """All workers that were seen within a day."""
    busy = (
        sa.select(sa.func.count())
        .where(live.c.worker == workers.c.id, live.c.epoch == workers.c.epoch)
        .scalar_subquery()
    )
    rows = connection.execute(sa.select(workers, busy.label("running")).order_by(workers.c.id)).mappings()
    return [_view(row, now) for row in rows]


def _view(row: sa.RowMapping, now: float) -> WorkerView:
    values = {name: row[name] for name in WorkerView.__dataclass_fields__ if name in row}
    holds = row["lease_until"] is not None
    alive = holds and row["lease_until"] > now
    told = {"queues": tuple(json.loads(row["queues"])), "alive": alive, "overdue": holds and not alive}
    return WorkerView(**values | told)
