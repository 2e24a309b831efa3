"""Many jobs at once: one statement reads how far each is and where it stands in line."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.sql import queries
from tasks.ledger.sql.schema import jobs, live, outbox
from tasks.ledger.sql.statements import as_rows, given_on

_STATE_ONLY = (
    jobs.c.id, jobs.c.model_queue, queries.STATE, live.c.progress, live.c.stage,
    sa.func.coalesce(live.c.attempt, jobs.c.attempt, 0).label("attempt"),
)  # fmt: skip


def rows(connection: sa.Connection, ids: Collection[str], *, whole: bool) -> dict[str, sa.RowMapping]:
    """The rows of those jobs that are known, all columns or only what changes while a job is at work.

    Each carries the line that it stands in, as `line` and `line_owner`, and as `place` how many of that owner
    stand there up to it. What is released already, and what does not wait, stands in no line.
    """
    statement = _statement(connection.dialect.name, whole=whole)
    found = connection.execute(statement, {"given": as_rows([[job_id] for job_id in ids])}).mappings()
    return {row["id"]: row for row in found}


@cache
def _statement(dialect: str, *, whole: bool) -> sa.Select[tuple[object, ...]]:
    """Built once: SQLAlchemy spends more time on building it than SQLite on running it."""
    asked, mine = given_on(dialect, [jobs.c.id]), outbox.alias("mine")
    waits = (live.c.state == JobState.QUEUED) & (mine.c.job_id == sa.func.coalesce(live.c.leader, jobs.c.id))
    source = jobs.join(asked, asked.c.id == jobs.c.id).outerjoin(live, live.c.job_id == jobs.c.id)
    line = (mine.c.queue.label("line"), mine.c.owner.label("line_owner"), _place(mine).label("place"))
    columns = queries.COLUMNS if whole else _STATE_ONLY
    return sa.select(*columns, *line).select_from(source.outerjoin(mine, waits))


def _place(mine: sa.FromClause) -> sa.ScalarSelect[int]:
    other = outbox.alias("other")
    before = (other.c.rank < mine.c.rank) | (
        (other.c.rank == mine.c.rank) & (other.c.job_id <= mine.c.job_id)
    )
    same_line = (other.c.queue == mine.c.queue) & (other.c.owner == mine.c.owner)
    return sa.select(sa.func.count()).where(same_line, before).scalar_subquery()
