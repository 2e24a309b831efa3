"""Callbacks that are owed. The promise is written with the job: see `tasks.ledger.submissions.accept`.

A job whose row of `live` is gone has ended, so whatever ends it has nothing to write: the promise is due from
then on, and no death of a process comes between the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tasks.ledger.sql.schema import callbacks, live
from tasks.ledger.sql.store import Store, reads, writes
from tasks.ledger.sql.transaction import Transaction

DUE_MAX = 5_000  # due rows that are read: so many of one owner cannot hide another's


@dataclass(frozen=True, kw_only=True)
class Owed:
    """A job that has ended, whose end somebody is to be told; `tries` failed before."""

    job_id: str
    owner: str
    tries: int


class Callbacks:
    """The callbacks that one ledger owes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @reads
    def due(self, connection: sa.Connection, limit: int, per_owner: int) -> list[Owed]:
        """What is to be delivered now, oldest first, and of each owner at most so many."""
        values = {"p_now": self._store.now(), "p_limit": limit, "p_owner": per_owner}
        rows = connection.execute(_DUE, values)
        return [Owed(job_id=row.job_id, owner=row.owner, tries=row.tries) for row in rows]

    @writes
    def settle(self, transaction: Transaction, job_id: str) -> None:
        """Nothing more is owed: it was delivered, or given up."""
        transaction.connection.execute(sa.delete(callbacks).where(callbacks.c.job_id == job_id))

    @writes
    def postpone(self, transaction: Transaction, job_id: str, seconds: float) -> None:
        """Try again after some time."""
        values = {"due_at": transaction.now + seconds, "tries": callbacks.c.tries + 1}
        transaction.connection.execute(
            sa.update(callbacks).where(callbacks.c.job_id == job_id).values(values)
        )


def _due() -> sa.Select[tuple[str, str, int]]:
    ended = ~sa.exists().where(live.c.job_id == callbacks.c.job_id)
    first = (
        sa.select(callbacks)
        .where(callbacks.c.due_at <= sa.bindparam("p_now", type_=sa.Double), ended)
        .order_by(callbacks.c.due_at)
        .limit(DUE_MAX)
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
