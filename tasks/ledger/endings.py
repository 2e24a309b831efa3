"""How a job leaves the live ones: one place writes every final state."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tasks.jobs import ErrorClass, JobState
from tasks.ledger import history, sharing, untold
from tasks.ledger.records import Transition
from tasks.ledger.schema import jobs, live, outbox

# Built once: SQLAlchemy spends more time on building these than SQLite on running them.
NOT_WAITING = sa.delete(outbox).where(outbox.c.job_id == sa.bindparam("p_job"))
WRITTEN_AT_THE_END = (
    "state", "attempt", "worker", "outputs", "timings", "error_class", "detail", "started_at", "finished_at",
    "used_at", "details",
)  # fmt: skip
_END = (
    sa.update(jobs)
    .where(jobs.c.id == sa.bindparam("p_job"))
    .values({name: sa.bindparam(f"p_{name}") for name in WRITTEN_AT_THE_END})
)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What is written down when a job ends."""

    state: JobState
    error_class: ErrorClass | None = None
    detail: str | None = None
    outputs: str | None = None  # JSON
    timings: str | None = None  # JSON
    details: dict[str, Any] = field(default_factory=dict)


def end(
    connection: sa.Connection, now: float, job: sa.RowMapping, ending: Ending, *, told: bool = False
) -> Counter[str]:
    """End a job whose row of `live` was just deleted (`job`); the change of the counters comes back.

    Followers of a job that succeeded or failed share its fate; those of a cancelled one go on.
    `told`: whether the caller leaves a log line of this end.
    """
    _write(connection, now, job, ending)
    if not told:
        untold.note(connection, [job["job_id"]])
    changes = history.moved(job["state"], ending.state)
    if ending.error_class:
        changes[f"failed.{ending.error_class}"] += 1
    changes.update(_settle_followers(connection, now, job, ending))  # `+` would drop what is negative
    return changes


def _write(connection: sa.Connection, now: float, job: sa.RowMapping, ending: Ending) -> None:
    connection.execute(NOT_WAITING, {"p_job": job["job_id"]})
    known = {
        "p_job": job["job_id"], "p_state": ending.state, "p_attempt": job["attempt"],
        "p_worker": job["worker"], "p_outputs": ending.outputs, "p_timings": ending.timings,
        "p_error_class": ending.error_class, "p_detail": ending.detail, "p_started_at": job["started_at"],
        "p_finished_at": now, "p_used_at": now,
        "p_details": json.dumps(ending.details) if ending.details else None,
    }  # fmt: skip
    connection.execute(_END, known)
    line = Transition(
        job_id=job["job_id"], at=now, state=ending.state, attempt=job["attempt"], worker=job["worker"],
        epoch=job["epoch"], reason=ending.error_class,
    )  # fmt: skip
    history.record(connection, [line])


def _settle_followers(
    connection: sa.Connection, now: float, job: sa.RowMapping, ending: Ending
) -> Counter[str]:
    if not job["fingerprint"] or job["leader"]:
        return Counter()
    leader = job["job_id"]
    sharing.hold_song(connection, leader)
    if ending.state is JobState.SUCCEEDED:
        return history.moved(JobState.QUEUED, ending.state, sharing.finished(connection, now, leader))
    if ending.state is JobState.CANCELLED:
        sharing.abandoned(connection, leader)
        return Counter()
    return _fail_followers(connection, now, leader, ending)


def _fail_followers(connection: sa.Connection, now: float, leader: str, ending: Ending) -> Counter[str]:
    statement = sa.delete(live).where(live.c.leader == leader).returning(*live.c)
    waiting = connection.execute(statement).mappings().all()
    sharing.abandoned(connection, leader)  # none is left: the fingerprint is free again
    return history.total(end(connection, now, follower, ending) for follower in waiting)
