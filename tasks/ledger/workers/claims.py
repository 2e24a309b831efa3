"""From queued to running: many claims at once, each a compare-and-set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import sqlalchemy as sa

from tasks.jobs import Job, JobState
from tasks.ledger.lifecycle.endings import no_longer_waiting
from tasks.ledger.sql import queries
from tasks.ledger.sql.schema import jobs, live, outbox, workers
from tasks.ledger.sql.statements import as_rows, given_on
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import Transition


class Claim(NamedTuple):
    """A worker, registered with `epoch`, wants to run a job."""

    job_id: str
    worker: str
    epoch: int


def claim(transaction: Transaction, claims: Sequence[Claim]) -> list[Job | None]:
    """Queued to running, for workers whose leases hold; None where that is not to be."""
    asked: dict[tuple[str, int], list[str]] = defaultdict(list)
    for one in claims:
        asked[one.worker, one.epoch].append(one.job_id)
    won = {
        Claim(job.id, worker, epoch): job
        for (worker, epoch), ids in asked.items()
        for job in _claim_for(transaction, worker, epoch, ids)
    }
    transaction.moved(JobState.QUEUED, JobState.RUNNING, len(won))
    return [won.pop(one, None) for one in claims]  # a job asked for twice is given once


def _claim_for(transaction: Transaction, worker: str, epoch: int, ids: Sequence[str]) -> list[Job]:
    connection, now = transaction.connection, transaction.now
    asked = {
        "given": as_rows([[job_id] for job_id in ids]),
        "p_worker": worker,
        "p_epoch": epoch,
        "p_now": now,
    }
    won = _won(connection, asked)
    lines = [
        Transition(
            job_id=job.id, at=now, state=JobState.RUNNING, attempt=job.attempt, worker=worker, epoch=epoch
        )
        for job in won
    ]
    transaction.record(lines)
    return won


def _won(connection: sa.Connection, asked: dict[str, object]) -> list[Job]:
    """The jobs that are this worker's from now on; by one statement where the database can."""
    statement = _claim_on(connection.dialect.name)
    if connection.dialect.name != "sqlite":
        return [queries.job_of(row) for row in connection.execute(statement, asked).mappings()]
    won = [row.job_id for row in connection.execute(statement, asked)]
    if won:
        no_longer_waiting(connection, won)
    return queries.get_all(connection, won) if won else []


@cache
def _claim_on(dialect: str) -> sa.Executable:
    worker, epoch = sa.bindparam("p_worker", type_=sa.Text), sa.bindparam("p_epoch", type_=sa.Integer)
    now = sa.bindparam("p_now", type_=sa.Double)
    asked = live.c.job_id.in_(sa.select(given_on(dialect, [live.c.job_id]).c.job_id))
    free = (live.c.state == JobState.QUEUED) & live.c.leader.is_(None) & live.c.cancel.is_(False)
    in_time = live.c.expires_at.is_(None) | (live.c.expires_at > now)
    lease = sa.exists().where(workers.c.id == worker, workers.c.epoch == epoch, workers.c.lease_until > now)
    values = {
        "state": JobState.RUNNING, "attempt": live.c.attempt + 1, "worker": worker, "epoch": epoch,
        "started_at": now, "progress": 0.0, "stage": None,
        "released_at": sa.func.coalesce(live.c.released_at, now),
    }  # fmt: skip
    statement = sa.update(live).where(asked, free, in_time, lease).values(values)
    if dialect == "sqlite":
        return statement.returning(live.c.job_id)
    won = statement.where(jobs.c.id == live.c.job_id).returning(*queries.COLUMNS).cte("won")
    gone = sa.delete(outbox).where(outbox.c.job_id.in_(sa.select(won.c.id))).cte("gone")
    return sa.select(won).add_cte(gone)
