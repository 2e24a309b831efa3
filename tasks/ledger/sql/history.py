"""What every change of a job's state leaves behind: a line of history and a count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.records import Transition
from tasks.ledger.sql.database import insert_given, insert_on
from tasks.ledger.sql.schema import counters, transitions

LINES, CHANGES = "history.lines", "history.changes"
COLUMNS = ("job_id", "at", "state", "attempt", "worker", "epoch", "reason")


def record(connection: sa.Connection, lines: Sequence[Transition]) -> None:
    """Add lines to the history; written by `flush`, before the commit."""
    connection.info.setdefault(LINES, []).extend(lines)


def flush(connection: sa.Connection) -> None:
    """Write what a transaction gathered: one statement for all its lines, one for all its counts."""
    lines, changes = connection.info.pop(LINES, []), connection.info.pop(CHANGES, {})
    insert_given(
        connection, transitions, COLUMNS, [[getattr(line, name) for name in COLUMNS] for line in lines]
    )
    for shard, numbers in changes.items():
        _add(connection, shard, numbers)


def forget(connection: sa.Connection) -> None:
    """Drop what a transaction gathered that is not to be."""
    connection.info.pop(LINES, None)
    connection.info.pop(CHANGES, None)


def of(connection: sa.Connection, job_id: str) -> list[Transition]:
    """A job's history, oldest first."""
    statement = sa.select(transitions).where(transitions.c.job_id == job_id).order_by(transitions.c.id)
    lines = connection.execute(statement).mappings()
    return [
        Transition(**{name: line[name] for name in COLUMNS if name != "state"}, state=JobState(line["state"]))
        for line in lines
    ]


def count(connection: sa.Connection, shard: int, changes: Mapping[str, int]) -> None:
    """Add to counters; written by `flush`, before the commit."""
    connection.info.setdefault(CHANGES, {}).setdefault(shard, Counter()).update(changes)


def _add(connection: sa.Connection, shard: int, changes: Mapping[str, int]) -> None:
    """In the order of their names, so that two writers never wait for each other."""
    rows = [
        {"name": name, "shard": shard, "value": changes[name]} for name in sorted(changes) if changes[name]
    ]
    if not rows:
        return
    connection.execute(_add_on(connection.dialect.name), rows)


@cache
def _add_on(dialect: str) -> sa.Insert:
    statement = insert_on(dialect, counters)
    added = {"value": counters.c.value + statement.excluded.value}
    return statement.on_conflict_do_update(index_elements=["name", "shard"], set_=added)


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
