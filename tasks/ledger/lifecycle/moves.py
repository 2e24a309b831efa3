"""A job's moves by its worker and by people: each a compare-and-set that names what it expects."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.jobs import ErrorClass, Job, JobState
from tasks.ledger.errors import UnknownJob
from tasks.ledger.lifecycle.endings import Ending, end
from tasks.ledger.records import Transition
from tasks.ledger.sql import history, queries
from tasks.ledger.sql.database import insert
from tasks.ledger.sql.schema import live, outbox, transitions

Mine = tuple[str, int, str, int]
"""Whose run of what: job, attempt, worker, epoch."""


# Built once: SQLAlchemy spends more time on building these than SQLite on running them.
_mine = sa.and_(
    live.c.job_id == sa.bindparam("p_job", type_=sa.String),
    live.c.state == JobState.RUNNING,
    live.c.attempt == sa.bindparam("p_attempt", type_=sa.Integer),
    live.c.worker == sa.bindparam("p_worker", type_=sa.Text),
    live.c.epoch == sa.bindparam("p_epoch", type_=sa.Integer),
)
_take_mine = sa.delete(live).where(_mine).returning(*live.c)
_lock_mine = sa.select(live).where(_mine).with_for_update()


def _of(mine: Mine) -> dict[str, object]:
    return dict(zip(("p_job", "p_attempt", "p_worker", "p_epoch"), mine, strict=True))


def take(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> sa.RowMapping | None:
    """Remove the one row of `live` that meets `condition`, so that nobody else can end that job."""
    return connection.execute(sa.delete(live).where(condition).returning(*live.c)).mappings().first()


def ended_by(connection: sa.Connection, mine: Mine, state: JobState) -> bool:
    """Whether this very run ended the job before: the answer was lost, and the worker asks again."""
    history.flush(connection)
    job_id, attempt, worker, epoch = mine
    line = transitions.c
    same = (line.job_id == job_id) & (line.attempt == attempt) & (line.worker == worker)
    same &= (line.epoch == epoch) & (line.state == state)
    return connection.execute(sa.select(line.id).where(same)).first() is not None


def fail(
    connection: sa.Connection,
    now: float,
    shard: int,
    mine: Mine,
    error_class: ErrorClass,
    detail: str,
) -> bool:
    """Running to failed, or to cancelled where a person asked for that."""
    job = connection.execute(_take_mine, _of(mine)).mappings().first()
    if job is None:
        return ended_by(connection, mine, JobState.FAILED)
    cancelled = error_class is ErrorClass.CANCELLED_BY_USER
    state = JobState.CANCELLED if cancelled else JobState.FAILED
    ending = Ending(state=state, error_class=error_class, detail=detail)
    history.count(connection, shard, end(connection, now, job, ending, told=True))
    return True


def requeue(
    connection: sa.Connection, now: float, job: sa.RowMapping, reason: str, *, charged: bool, alone: bool
) -> None:
    """Running to queued and unreleased; `job` is its row of `live`, which the caller has made sure of."""
    back_to = job["model_queue"]
    connection.execute(
        sa.update(live)
        .where(live.c.job_id == job["job_id"])
        .values(
            state=JobState.QUEUED, worker=None, epoch=None, started_at=None, progress=0.0, stage=None,
            released_at=None, releases=0, queue=back_to, charged=live.c.charged + int(charged),
            alone=sa.true() if alone else live.c.alone,
        )
    )  # fmt: skip
    row = {"job_id": job["job_id"], "queue": back_to, "owner": job["owner"], "rank": job["rank"]}
    connection.execute(insert(connection, outbox).values(row).on_conflict_do_nothing())
    line = Transition(
        job_id=job["job_id"], at=now, state=JobState.QUEUED, attempt=job["attempt"], worker=job["worker"],
        epoch=job["epoch"], reason=reason,
    )  # fmt: skip
    history.record(connection, [line])


def hand_back(
    connection: sa.Connection,
    now: float,
    shard: int,
    mine: Mine,
    *,
    reason: str,
    charged: bool,
    alone: bool,
    max_attempts: int,
) -> bool:
    """Running to queued, or to its end where it was cancelled meanwhile or has lost its last attempt."""
    job = connection.execute(_lock_mine, _of(mine)).mappings().first()
    if job is None:
        return False
    give_back(connection, now, shard, job, reason, charged=charged, alone=alone, max_attempts=max_attempts)
    return True


def give_back(
    connection: sa.Connection,
    now: float,
    shard: int,
    job: sa.RowMapping,
    reason: str,
    *,
    charged: bool,
    alone: bool,
    max_attempts: int,
) -> bool:
    """Free a running job; whether it ended by that comes back."""
    ending = _last_ending(job, reason, charged=charged, max_attempts=max_attempts)
    if ending is None:
        requeue(connection, now, job, reason, charged=charged, alone=alone)
        changes = history.moved(JobState.RUNNING, JobState.QUEUED)
        changes["requeued"] += 1
    else:
        connection.execute(sa.delete(live).where(live.c.job_id == job["job_id"]))
        changes = end(connection, now, job, ending)
    history.count(connection, shard, changes)
    return ending is not None


def _last_ending(job: sa.RowMapping, reason: str, *, charged: bool, max_attempts: int) -> Ending | None:
    if job["cancel"]:
        return cancelled()
    if not charged or job["charged"] + 1 < max_attempts:
        return None
    known = reason in ErrorClass.__members__.values()
    error_class = ErrorClass(reason) if known else ErrorClass.WORKER_LOST
    detail = f"all {max_attempts} attempts were lost ({reason}); retry the job, or change the request"
    return Ending(state=JobState.FAILED, error_class=error_class, detail=detail)


def cancelled() -> Ending:
    """The ending of a job that a person cancelled."""
    detail = "cancelled by the person who asked for it"
    return Ending(state=JobState.CANCELLED, error_class=ErrorClass.CANCELLED_BY_USER, detail=detail)


def cancel(connection: sa.Connection, now: float, shard: int, job_id: str) -> Job:
    """Queued to cancelled at once; a running job's worker is told."""
    job = take(connection, (live.c.job_id == job_id) & (live.c.state == JobState.QUEUED))
    if job:
        history.count(connection, shard, end(connection, now, job, cancelled()))
    else:
        connection.execute(sa.update(live).where(live.c.job_id == job_id).values(cancel=True))
    found = queries.get(connection, job_id)
    if found is None:
        raise UnknownJob(f"there is no job {job_id}")
    return found
