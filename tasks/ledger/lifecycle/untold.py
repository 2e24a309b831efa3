"""Ends of jobs that leave no log line by themselves, until the dispatcher has told of them.

A worker tells how its own run ended, and the web app of a song that was there already. What ends a job
elsewhere (a follower's share in its leader's fate, a cancel while it waits, a deadline, the last lost worker)
is noted here in the same transaction, so that a line is written though any process may die in between.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from tasks.jobs import Job
from tasks.ledger.sql import queries
from tasks.ledger.sql.database import insert_given
from tasks.ledger.sql.schema import untold

AT_ONCE = 500


def note(connection: sa.Connection, job_ids: Collection[str]) -> None:
    """These have ended, and nobody else tells of it."""
    insert_given(connection, untold, ("job_id",), [[job_id] for job_id in job_ids], ignore=True)


def jobs(connection: sa.Connection) -> Sequence[Job]:
    """The next of them, oldest first."""
    chosen = sa.select(untold.c.job_id).order_by(untold.c.job_id).limit(AT_ONCE)
    return queries.get_all(connection, list(connection.scalars(chosen)))


def forget(connection: sa.Connection, job_ids: Collection[str]) -> None:
    """Their lines are written."""
    connection.execute(sa.delete(untold).where(untold.c.job_id.in_(list(job_ids))))
