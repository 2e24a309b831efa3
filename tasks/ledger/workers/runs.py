"""Runs that do not succeed: each move is a compare-and-set that names whose run it is."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.jobs import ErrorClass, JobState
from tasks.ledger.lifecycle.endings import Ending, end_all
from tasks.ledger.lifecycle.give_back import give_back
from tasks.ledger.sql.schema import live, transitions
from tasks.ledger.sql.transaction import Transaction

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


def fail(transaction: Transaction, mine: Mine, error_class: ErrorClass, detail: str) -> bool:
    """Running to failed, or to cancelled where a person asked for that."""
    job = transaction.connection.execute(_take_mine, _of(mine)).mappings().first()
    if job is None:
        return ended_by(transaction, mine, JobState.FAILED)
    by_a_person = error_class is ErrorClass.CANCELLED_BY_USER
    state = JobState.CANCELLED if by_a_person else JobState.FAILED
    end_all(transaction, [(job, Ending(state=state, error_class=error_class, detail=detail))], logged=True)
    return True


def hand_back(
    transaction: Transaction, mine: Mine, *, reason: str, charged: bool, alone: bool, max_attempts: int
) -> bool:
    """Running to queued, or to its end where it was cancelled meanwhile or has lost its last attempt."""
    job = transaction.connection.execute(_lock_mine, _of(mine)).mappings().first()
    if job is None:
        return False
    give_back(transaction, job, reason, charged=charged, alone=alone, max_attempts=max_attempts)
    return True


def ended_by(transaction: Transaction, mine: Mine, state: JobState) -> bool:
    """Whether this very run ended the job before: the answer was lost, and the worker asks again."""
    transaction.flush()
    job_id, attempt, worker, epoch = mine
    line = transitions.c
    same = (line.job_id == job_id) & (line.attempt == attempt) & (line.worker == worker)
    same &= (line.epoch == epoch) & (line.state == state)
    return transaction.connection.execute(sa.select(line.id).where(same)).first() is not None
