"""Ends of jobs that no worker and no web process logs: see `tasks.ledger.lifecycle.unlogged`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from tasks.jobs import Job
from tasks.ledger.sql import queries
from tasks.ledger.sql.schema import unlogged_ends
from tasks.ledger.sql.statements import as_rows, given
from tasks.ledger.sql.store import Store, reads, writes
from tasks.ledger.sql.transaction import Transaction

AT_ONCE = 500


class Ends:
    """Which ends are to be logged still."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @reads
    def unlogged(self, connection: sa.Connection) -> Sequence[Job]:
        """The next of them, oldest first; until `logged` the same come again."""
        chosen = sa.select(unlogged_ends.c.job_id).order_by(unlogged_ends.c.job_id).limit(AT_ONCE)
        return queries.get_all(connection, list(connection.scalars(chosen)))

    @writes
    def logged(self, transaction: Transaction, job_ids: Collection[str]) -> None:
        """A line was left of these jobs' ends."""
        connection = transaction.connection
        asked = sa.select(given(connection, [unlogged_ends.c.job_id]).c.job_id)
        parameter = {"given": as_rows([[job_id] for job_id in job_ids])}
        connection.execute(sa.delete(unlogged_ends).where(unlogged_ends.c.job_id.in_(asked)), parameter)
