"""Callbacks that are owed. The promise is written with the job, in the transaction that accepts it.

A job whose row of `live` is gone has ended, so whatever ends it has nothing to write: the promise is due from
then on, and no death of a process comes between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tasks.ledger.draft import Draft
from tasks.ledger.sql.database import Database, insert_given
from tasks.ledger.sql.schema import callbacks, live

LOOK_AT = 5_000  # due rows: so many of one owner cannot hide another's

COLUMNS = ("job_id", "owner", "due_at")


@dataclass(frozen=True, kw_only=True)
class Owed:
    """A job that has ended, whose end somebody is to be told; `tries` failed before."""

    job_id: str
    owner: str
    tries: int


def promise(connection: sa.Connection, now: float, drafts: Sequence[Draft]) -> None:
    """Note which of the jobs that are accepted want to call back."""
    wanted = [draft for draft in drafts if draft.request.callback_url is not None]
    rows = [(draft.new.id, draft.new.owner, now) for draft in wanted]
    insert_given(connection, callbacks, COLUMNS, rows)


class CallbackTable:
    """The callbacks that one ledger owes.

    Args:
        database: The ledger's.
        now: Seconds since the epoch.
    """

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database, self._now = database, now

    def due(self, limit: int, per_owner: int) -> list[Owed]:
        """What is to be delivered now, oldest first, and of each owner at most so many."""
        with self._database.read() as connection:
            values = {"p_now": self._now(), "p_limit": limit, "p_owner": per_owner}
            rows = connection.execute(_DUE, values)
            return [Owed(job_id=row.job_id, owner=row.owner, tries=row.tries) for row in rows]

    def settle(self, job_id: str) -> None:
        """Nothing more is owed: it was delivered, or given up."""
        with self._database.write() as connection:
            connection.execute(sa.delete(callbacks).where(callbacks.c.job_id == job_id))

    def postpone(self, job_id: str, seconds: float) -> None:
        """Try again after some time."""
        values = {"due_at": self._now() + seconds, "tries": callbacks.c.tries + 1}
        with self._database.write() as connection:
            connection.execute(sa.update(callbacks).where(callbacks.c.job_id == job_id).values(values))


def _due() -> sa.Select[tuple[str, str, int]]:
    ended = ~sa.exists().where(live.c.job_id == callbacks.c.job_id)
    first = (
        sa.select(callbacks)
        .where(callbacks.c.due_at <= sa.bindparam("p_now", type_=sa.Double), ended)
        .order_by(callbacks.c.due_at)
        .limit(LOOK_AT)
        .subquery()
    )
    place = sa.func.row_number().over(partition_by=first.c.owner, order_by=(first.c.due_at, first.c.job_id))
    placed = sa.select(first, place.label("place")).subquery()
    return (
        sa.select(placed.c.job_id, placed.c.owner, placed.c.tries)
        .where(placed.c.place <= sa.bindparam("p_owner", type_=sa.Integer))
        .order_by(placed.c.due_at, placed.c.job_id)
        .limit(sa.bindparam("p_limit", type_=sa.Integer))
    )


_DUE = _due()
