"""Records of jobs that ended long ago go, with all that was written about them; the counters stay.

A record goes when its job ended before a certain time, no song of it is kept, and nobody waits to be told of
its end. So a song that can be shared always has its record.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tasks.ledger.sql.database import Database, as_rows, given
from tasks.ledger.sql.schema import BYGONE, callbacks, idempotency, jobs, transitions, usage

DAY = 86_400.0


def prune(database: Database, before: float, limit: int = 50) -> int:
    """Delete the records of at most `limit` jobs that ended before a time; how many comes back."""
    with database.read() as connection:
        chosen = [job_id for (job_id,) in connection.execute(_bygone(before, limit))]
    if chosen:
        with database.write() as connection:
            _delete(connection, chosen)
    return len(chosen)


def prune_usage(database: Database, before: float) -> None:
    """Forget what owners used on days before a time."""
    with database.write() as connection:
        connection.execute(sa.delete(usage).where(usage.c.day < int(before // DAY)))


def _bygone(before: float, limit: int) -> sa.Select[Any]:
    owed = sa.exists().where(callbacks.c.job_id == jobs.c.id)
    old = sa.select(jobs.c.id).where(BYGONE, jobs.c.finished_at <= before, ~owed)
    return old.order_by(jobs.c.finished_at).limit(limit)


def _delete(connection: sa.Connection, job_ids: list[str]) -> None:
    """By one statement a table, so that the transaction is short."""
    parameter = {"given": as_rows([[job_id] for job_id in job_ids])}
    asked = sa.select(given(connection, [jobs.c.id]).c.id)
    for column in (transitions.c.job_id, idempotency.c.job_id, jobs.c.id):
        connection.execute(sa.delete(column.table).where(column.in_(asked)), parameter)
