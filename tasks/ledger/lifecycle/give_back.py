"""From running or released back into the line, or to the end where nothing is left to try."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.jobs import ErrorClass, JobState
from tasks.ledger.lifecycle.endings import Ending, cancelled, end_all
from tasks.ledger.sql.schema import live, outbox
from tasks.ledger.sql.statements import insert
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import Freed, Transition


def free(
    transaction: Transaction,
    condition: sa.ColumnElement[bool],
    max_attempts: int,
    *,
    reason: str = ErrorClass.WORKER_LOST,
    charged: bool = True,
) -> list[Freed]:
    """Give back all running jobs that meet `condition`, but for now not what another session is changing."""
    running = sa.select(live).where(condition, live.c.state == JobState.RUNNING)
    running = running.with_for_update(skip_locked=True, of=live)
    freed = []
    for job in transaction.connection.execute(running).mappings().all():
        ended = give_back(transaction, job, reason, charged=charged, alone=False, max_attempts=max_attempts)
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


def give_back(
    transaction: Transaction,
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
        requeue(transaction, job, reason, charged=charged, alone=alone)
        transaction.moved(JobState.RUNNING, JobState.QUEUED)
        transaction.count({"requeued": 1})
    else:
        transaction.connection.execute(sa.delete(live).where(live.c.job_id == job["job_id"]))
        end_all(transaction, [(job, ending)])
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


def requeue(transaction: Transaction, job: sa.RowMapping, reason: str, *, charged: bool, alone: bool) -> None:
    """Running to queued and unreleased; `job` is its row of `live`, which the caller has made sure of."""
    connection, back_to = transaction.connection, job["model_queue"]
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
        job_id=job["job_id"], at=transaction.now, state=JobState.QUEUED, attempt=job["attempt"],
        worker=job["worker"], epoch=job["epoch"], reason=reason,
    )  # fmt: skip
    transaction.record([line])


def unlocked(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Those rows of `live` that no other session is changing: one that fell silent is not waited for."""
    free = sa.select(live.c.job_id).where(condition).with_for_update(skip_locked=True, of=live)
    return live.c.job_id.in_(free)


def take_back(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[str]:
    """Unrelease the released, unclaimed jobs that meet `condition`; they are released again."""
    unclaimed = live.c.released_at.isnot(None) & (live.c.state == JobState.QUEUED)
    lost = (
        sa.update(live)
        .where(unlocked(unclaimed & condition))
        .values(released_at=None)
        .returning(live.c.job_id, live.c.queue, live.c.owner, live.c.rank)
    )
    rows = connection.execute(lost).mappings().all()
    if rows:
        connection.execute(sa.insert(outbox), [dict(row) for row in rows])
    return [row["job_id"] for row in rows]
