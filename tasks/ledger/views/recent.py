"""How the service does: the jobs that ended lately, and those that have not ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tasks.jobs import ErrorClass, JobState
from tasks.ledger.sql.schema import jobs, live

MOST = 2_000  # the latest jobs of a state say enough


@dataclass(frozen=True, kw_only=True)
class EndedJob:
    """One job that ended: `run_seconds` and `audio_seconds` are those of a song that an engine made."""

    lane: str
    worker: str | None
    failed: bool
    error_class: ErrorClass | None
    finished_at: float
    run_seconds: float | None
    audio_seconds: float


def ended(connection: sa.Connection, since: float) -> list[EndedJob]:
    """List what succeeded or failed since then, or as much of it as the latest `MOST` of either tell.

    Where one of the two was cut off, the other is cut at the same age: a share of them stays a share.
    """
    found = [_latest(connection, state) for state in (JobState.SUCCEEDED, JobState.FAILED)]
    floor = max((rows[-1].id for rows in found if len(rows) == MOST), default="")
    return [_ended(row) for rows in found for row in rows if row.id >= floor and row.finished_at >= since]


def _latest(connection: sa.Connection, state: JobState) -> Sequence[Any]:
    columns = (
        jobs.c.id,
        jobs.c.lane,
        jobs.c.worker,
        jobs.c.state,
        jobs.c.error_class,
        jobs.c.request,
        jobs.c.started_at,
        jobs.c.finished_at,
        jobs.c.cache_of,
    )
    newest = sa.select(*columns).where(jobs.c.state == state).order_by(jobs.c.id.desc()).limit(MOST)
    return connection.execute(newest).all()


def _ended(row: Any) -> EndedJob:
    wanted = json.loads(row.request)
    made = row.state == JobState.SUCCEEDED and row.cache_of is None and row.started_at is not None
    return EndedJob(
        lane=row.lane,
        worker=row.worker,
        failed=row.state == JobState.FAILED,
        error_class=ErrorClass(row.error_class) if row.error_class else None,
        finished_at=row.finished_at,
        run_seconds=row.finished_at - row.started_at if made else None,
        audio_seconds=float(wanted.get("duration", 60.0)) * int(wanted.get("variations", 1)),
    )


def still_open(connection: sa.Connection) -> tuple[int, float | None]:
    """Count the jobs that have not ended, and tell when the oldest of them was accepted."""
    row = connection.execute(sa.select(sa.func.count(), sa.func.min(live.c.accepted_at))).one()
    return int(row[0]), row[1]
