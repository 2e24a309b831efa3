"""Reading jobs: one, or a page."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection
from functools import cache
from typing import Any

import sqlalchemy as sa

from tasks.jobs import ErrorClass, Failure, Job, JobRequest, JobState, Output, Timings
from tasks.ledger.sql.schema import jobs, live
from tasks.ledger.sql.statements import as_rows, given_on
from tasks.ledger.values.errors import UnknownJob
from tasks.ledger.values.records import Page

LIVE_NAMES = ("queue", "charged", "alone", "cancel", "leader", "progress", "stage")
STATE = sa.func.coalesce(live.c.state, jobs.c.state).label("state")
COLUMNS = (
    *(column for column in jobs.c if column.name not in {"state", "attempt", "worker", "started_at"}),
    STATE,
    *(sa.func.coalesce(live.c[n], jobs.c[n]).label(n) for n in ("attempt", "worker", "started_at")),
    *(live.c[name] for name in LIVE_NAMES),
)
_whole = sa.select(*COLUMNS).select_from(jobs.outerjoin(live, live.c.job_id == jobs.c.id))

_one = _whole.where(jobs.c.id == sa.bindparam("p_job"))


def get(connection: sa.Connection, job_id: str) -> Job | None:
    """A job by its id."""
    row = connection.execute(_one, {"p_job": job_id}).mappings().first()
    return job_of(row) if row else None


def get_one(connection: sa.Connection, job_id: str) -> Job:
    """A job that has to be there."""
    job = get(connection, job_id)
    if job is None:
        raise UnknownJob(f"there is no job {job_id}")
    return job


def get_all(connection: sa.Connection, job_ids: Collection[str]) -> list[Job]:
    """Those of the jobs that are there, by their ids."""
    known = {"given": as_rows([[job_id] for job_id in job_ids])}
    return [job_of(row) for row in connection.execute(_all_on(connection.dialect.name), known).mappings()]


@cache
def _all_on(dialect: str) -> sa.Select[Any]:
    asked = sa.select(given_on(dialect, [jobs.c.id]).c.id)
    return _whole.where(jobs.c.id.in_(asked)).order_by(jobs.c.id)


def page(
    connection: sa.Connection, owner: str | None, state: JobState | None, cursor: str | None, limit: int
) -> Page:
    """Jobs, newest first; `cursor` is the last id of the page before."""
    at_work = state is not None and not state.final
    key = live.c.job_id if at_work else jobs.c.id
    statement = _whole.order_by(key.desc()).limit(limit + 1)
    if owner is not None:
        statement = statement.where(jobs.c.owner == owner)
    if state is not None:
        statement = statement.where((live.c.state if at_work else jobs.c.state) == state)
    if cursor is not None:
        statement = statement.where(key < cursor)
    rows = connection.execute(statement).mappings().all()
    found = [job_of(row) for row in rows[:limit]]
    return Page(jobs=found, next_cursor=found[-1].id if len(rows) > limit else None)


def job_of(row: sa.RowMapping) -> Job:
    """A job, of a row with COLUMNS."""
    return Job(
        id=row["id"],
        state=JobState(row["state"]),
        request=JobRequest.model_validate_json(row["request"]),
        attempt=row["attempt"] or 0,
        progress=1.0 if row["state"] == JobState.SUCCEEDED else row["progress"] or 0.0,
        stage=row["stage"],
        outputs=[Output.model_validate(one) for one in json.loads(row["outputs"] or "[]")],
        timings=Timings.model_validate_json(row["timings"] or "{}"),
        error=_failure(row),
        owner=row["owner"],
        lane=row["lane"],
        queue=row["queue"],
        worker=row["worker"],
        traceparent=row["traceparent"],
        fingerprint=row["fingerprint"],
        cache_hit=row["cache_of"] is not None,
        created_at=_time(row["created_at"]),
        started_at=_time(row["started_at"]) if row["started_at"] else None,
        finished_at=_time(row["finished_at"]) if row["finished_at"] else None,
        extra=_extra(row),
    )


def _failure(row: sa.RowMapping) -> Failure | None:
    if not row["error_class"]:
        return None
    return Failure(error_class=ErrorClass(row["error_class"]), detail=row["detail"] or "")


def _extra(row: sa.RowMapping) -> dict[str, Any]:
    """What only some rooms want: the values that are set."""
    names = (
        "model_queue", "preferred_queue", "source_ip_hash", "cache_of", "expired_at", "charged", "alone",
        "cancel", "leader",
    )  # fmt: skip
    found: dict[str, Any] = {name: row[name] for name in names if row[name]}
    found.update(json.loads(row["details"] or "{}"))
    return found


def _time(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
