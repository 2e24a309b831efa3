"""Jobs that may wait only so long."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.jobs import ErrorClass, JobState
from tasks.ledger.lifecycle.endings import Ending, end
from tasks.ledger.sql import history
from tasks.ledger.sql.schema import live


def expire(connection: sa.Connection, now: float, shard: int) -> list[str]:
    """Fail the queued jobs whose time to start has passed; their ids come back."""
    late = (live.c.expires_at <= now) & (live.c.state == JobState.QUEUED)
    jobs = connection.execute(sa.delete(live).where(late).returning(*live.c)).mappings().all()
    detail = "it could not start within the time it was given; try again when less is waiting"
    ending = Ending(state=JobState.FAILED, error_class=ErrorClass.DEADLINE, detail=detail)
    history.count(connection, shard, history.total(end(connection, now, job, ending) for job in jobs))
    return [job["job_id"] for job in jobs]
