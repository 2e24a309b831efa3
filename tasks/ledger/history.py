"""What every change of a job's state leaves behind: a line of history and a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.database import insert
from tasks.ledger.records import Transition
from tasks.ledger.schema import counters, transitions

COLUMNS = ("job_id", "at", "state", "attempt", "worker", "epoch", "reason")


def record(connection: sa.Connection, lines: Sequence[Transition]) -> None:
    """Add lines to the history."""
    if lines:
        rows = [{name: getattr(line, name) for name in COLUMNS} for line in lines]
        connection.execute(sa.insert(transitions), rows)


def of(connection: sa.Connection, job_id: str) -> list[Transition]:
    """A job's history, oldest first."""
    statement = sa.select(transitions).where(transitions.c.job_id == job_id).order_by(transitions.c.id)
    lines = connection.execute(statement).mappings()
    return [
        Transition(**{name: line[name] for name in COLUMNS if name != "state"}, state=JobState(line["state"]))
        for line in lines
    ]


def count(connection: sa.Connection, shard: int, changes: Mapping[str, int]) -> None:
    """Add to counters; in the order of their names, so that two writers never wait for each other."""
    rows = [
        {"name": name, "shard": shard, "value": changes[name]} for name in sorted(changes) if changes[name]
    ]
    if not rows:
        return
    statement = insert(connection, counters)
    added = {"value": counters.c.value + statement.excluded.value}
    connection.execute(statement.on_conflict_do_update(index_elements=["name", "shard"], set_=added), rows)


def moved(before: JobState | str | None, after: JobState | str, number: int = 1) -> Counter[str]:
    """The counters' change when `number` jobs go from one state to another; None is "not there yet"."""
    changes: Counter[str] = Counter({str(after): number})
    if before is not None:
        changes[str(before)] -= number
    return changes


def total(changes: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Many changes as one."""
    added: Counter[str] = Counter()
    for change in changes:
        added.update(change)
    return added


def counts(connection: sa.Connection) -> dict[str, int]:
    """All counters, summed over the processes that keep them."""
    statement = sa.select(counters.c.name, sa.func.sum(counters.c.value)).group_by(counters.c.name)
    return {name: int(value) for name, value in connection.execute(statement)}
