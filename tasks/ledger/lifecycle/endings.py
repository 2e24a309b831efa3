"""How a job leaves the live ones: one place writes every final state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa

from tasks.jobs import ErrorClass, JobState
from tasks.ledger.lifecycle import sharing, unlogged
from tasks.ledger.sql.schema import jobs, live, outbox
from tasks.ledger.sql.statements import as_rows, given_on
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import Transition

WRITTEN_AT_THE_END = (
    "state", "attempt", "worker", "outputs", "timings", "error_class", "detail", "started_at", "finished_at",
    "used_at", "details",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What is written down when a job ends."""

    state: JobState
    error_class: ErrorClass | None = None
    detail: str | None = None
    outputs: str | None = None  # JSON
    timings: str | None = None  # JSON
    details: dict[str, Any] = field(default_factory=dict)


Ended = tuple[sa.RowMapping, Ending]
"""A job's row of `live`, which was just deleted, and how the job ended."""


def cancelled() -> Ending:
    """The ending of a job that a person cancelled."""
    detail = "cancelled by the person who asked for it"
    return Ending(state=JobState.CANCELLED, error_class=ErrorClass.CANCELLED_BY_USER, detail=detail)


def end_all(transaction: Transaction, ended: Sequence[Ended], *, logged: bool = False) -> None:
    """End jobs whose rows of `live` were just deleted.

    Followers of a job that succeeded or failed share its fate; those of a cancelled one go on.
    `logged`: whether the caller leaves a log line of each end.
    """
    if ended:
        _write(transaction, ended)
    if ended and not logged:
        unlogged.note(transaction.connection, [job["job_id"] for job, _ in ended])
    for job, ending in ended:
        transaction.moved(job["state"], ending.state)
        if ending.error_class:
            transaction.count({f"failed.{ending.error_class}": 1})
    _settle_followers(transaction, [one for one in ended if one[0]["fingerprint"] and not one[0]["leader"]])


def _write(transaction: Transaction, ended: Sequence[Ended]) -> None:
    connection, now = transaction.connection, transaction.now
    if waited := [job["job_id"] for job, _ in ended if job["state"] == JobState.QUEUED]:
        no_longer_waiting(connection, waited)
    rows = as_rows([_written(now, job, ending) for job, ending in ended])
    connection.execute(_end_on(transaction.dialect), {"given": rows})
    transaction.record(_line(now, job, ending) for job, ending in ended)


def no_longer_waiting(connection: sa.Connection, job_ids: Sequence[str]) -> None:
    """Take jobs out of the outbox: they are not to be released any more."""
    given = as_rows([[job_id] for job_id in job_ids])
    connection.execute(_not_waiting_on(connection.dialect.name), {"given": given})


# Built once: SQLAlchemy spends more time on building these than SQLite on running them.
@cache
def _not_waiting_on(dialect: str) -> sa.Delete:
    asked = given_on(dialect, [outbox.c.job_id])
    return sa.delete(outbox).where(outbox.c.job_id.in_(sa.select(asked.c.job_id)))


@cache
def _end_on(dialect: str) -> sa.Update:
    told = given_on(dialect, [jobs.c.id, *(jobs.c[name] for name in WRITTEN_AT_THE_END)])
    values = {name: told.c[name] for name in WRITTEN_AT_THE_END}
    return sa.update(jobs).where(jobs.c.id == told.c.id).values(values)


def _written(now: float, job: sa.RowMapping, ending: Ending) -> tuple[object, ...]:
    """A job's id, and its values in the order of WRITTEN_AT_THE_END."""
    return (
        job["job_id"], ending.state, job["attempt"], job["worker"], ending.outputs, ending.timings,
        ending.error_class, ending.detail, job["started_at"], now, now,
        json.dumps(ending.details) if ending.details else None,
    )  # fmt: skip


def _line(now: float, job: sa.RowMapping, ending: Ending) -> Transition:
    return Transition(
        job_id=job["job_id"], at=now, state=ending.state, attempt=job["attempt"], worker=job["worker"],
        epoch=job["epoch"], reason=ending.error_class,
    )  # fmt: skip


def _settle_followers(transaction: Transaction, leaders: Sequence[Ended]) -> None:
    """Those who share the audio of jobs that ended."""
    connection = transaction.connection
    if made := [job["job_id"] for job, ending in leaders if ending.state is JobState.SUCCEEDED]:
        sharing.finished(transaction, made)
    for job, ending in leaders:
        leader = job["job_id"]
        if ending.state is JobState.CANCELLED:
            sharing.hold_song(connection, leader)
            sharing.abandoned(connection, leader)
        elif ending.state is not JobState.SUCCEEDED:
            sharing.hold_song(connection, leader)
            _fail_followers(transaction, leader, ending)


def _fail_followers(transaction: Transaction, leader: str, ending: Ending) -> None:
    connection = transaction.connection
    statement = sa.delete(live).where(live.c.leader == leader).returning(*live.c)
    waiting = connection.execute(statement).mappings().all()
    sharing.abandoned(connection, leader)  # none is left: the fingerprint is free again
    end_all(transaction, [(follower, ending) for follower in waiting])
