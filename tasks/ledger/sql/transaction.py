"""One transaction of the writer: history and counts are gathered in it and written at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tasks.jobs import JobState
from tasks.ledger.sql.schema import counters, transitions
from tasks.ledger.sql.statements import as_rows, given_on, insert_given, insert_on
from tasks.ledger.values.records import Transition

T = TypeVar("T")
A = TypeVar("A")
R = TypeVar("R")

LINE = ("job_id", "at", "state", "attempt", "worker", "epoch", "reason")


class Transaction:
    """A connection in a write transaction.

    Args:
        connection: The connection.
        now: The transaction's time, Unix seconds.
        shard: To which rows of sums this process adds.
    """

    def __init__(self, connection: sa.Connection, now: float, shard: int) -> None:
        self.connection = connection
        self.now = now
        self.shard = shard
        self.more_wait = False  # whether jobs have come to wait by it
        self._lines: list[Transition] = []
        self._changes: Counter[str] = Counter()

    @property
    def dialect(self) -> str:
        """The database's name, for statements that are built once: `sqlite` or `postgresql`."""
        return self.connection.dialect.name

    def record(self, lines: Iterable[Transition]) -> None:
        """Add lines to the jobs' history."""
        self._lines.extend(lines)

    def count(self, changes: Mapping[str, int]) -> None:
        """Add to counters."""
        self._changes.update(changes)

    def moved(self, before: JobState | str, after: JobState | str, number: int = 1) -> None:
        """Count that `number` jobs went from one state to another."""
        self._changes[str(before)] -= number
        self._changes[str(after)] += number

    def flush(self) -> None:
        """Write what was gathered: one statement for all lines, one for all counts."""
        lines, changes = self._lines, self._changes
        self.more_wait |= changes[JobState.QUEUED] > 0
        self._lines, self._changes = [], Counter()
        noted = [[getattr(line, name) for name in LINE] for line in lines]
        # in the order of their names, so that two writers never wait for each other
        added = [(name, self.shard, changes[name]) for name in sorted(changes) if changes[name]]
        if noted and added and self.dialect != "sqlite":
            both = {"noted": as_rows(noted), "given": as_rows(added)}
            self.connection.execute(_note_and_add(), both)
            return
        insert_given(self.connection, transitions, LINE, noted)
        if added:
            self.connection.execute(_add_on(self.dialect), {"given": as_rows(added)})


Change = Callable[[Transaction], T]
"""What one caller wants written."""
WriteAll = Callable[[Transaction, Sequence[A]], Sequence[R]]
"""Writes all that is asked; the answers come in the same order."""


@cache
def _add_on(dialect: str) -> sa.Insert:
    source = given_on(dialect, [*counters.c])
    statement = insert_on(dialect, counters).from_select(
        [column.name for column in counters.c], sa.select(source).where(sa.true())
    )
    added = {"value": counters.c.value + statement.excluded.value}
    return statement.on_conflict_do_update(index_elements=["name", "shard"], set_=added)


@cache
def _note_and_add() -> sa.Insert:
    """Lines and counts by one statement, where the database can."""
    source = given_on("postgresql", [transitions.c[name] for name in LINE], "noted")
    noted = postgresql.insert(transitions).from_select(list(LINE), sa.select(source).where(sa.true()))
    return _add_on("postgresql").add_cte(noted.cte("lines"))
