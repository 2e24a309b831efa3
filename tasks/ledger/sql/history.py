"""Reading what changes of jobs' states have left behind: lines of history, and counts."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.sql.schema import counters, transitions
from tasks.ledger.sql.transaction import LINE
from tasks.ledger.values.records import Transition


def of(connection: sa.Connection, job_id: str) -> list[Transition]:
    """A job's history, oldest first."""
    statement = sa.select(transitions).where(transitions.c.job_id == job_id).order_by(transitions.c.id)
    lines = connection.execute(statement).mappings()
    return [
        Transition(**{name: line[name] for name in LINE if name != "state"}, state=JobState(line["state"]))
        for line in lines
    ]


def counts(connection: sa.Connection) -> dict[str, int]:
    """All counters, summed over the processes that keep them."""
    statement = sa.select(counters.c.name, sa.func.sum(counters.c.value)).group_by(counters.c.name)
    return {name: int(value) for name, value in connection.execute(statement)}


def count(connection: sa.Connection, name: str) -> int:
    """One counter, summed alike."""
    return int(connection.scalar(_COUNT, {"p_name": name}) or 0)


_COUNT = sa.select(sa.func.sum(counters.c.value)).where(counters.c.name == sa.bindparam("p_name"))
