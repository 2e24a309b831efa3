"""The dispatcher's door to the ledger."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from tasks.ledger.dispatch import expiry, moves, release
from tasks.ledger.dispatch.due import Due, due
from tasks.ledger.dispatch.release import Window
from tasks.ledger.lifecycle import sharing
from tasks.ledger.lifecycle.give_back import take_back
from tasks.ledger.sql.schema import leases, live
from tasks.ledger.sql.statements import insert
from tasks.ledger.sql.store import Store, reads, writes
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import Freed, Release


class Dispatch:
    """One process at a time does these, by a lease that it takes here.

    Args:
        store: The ledger's.
        max_attempts: Runs a job may lose before it fails.
    """

    def __init__(self, store: Store, max_attempts: int) -> None:
        self._store = store
        self._max_attempts = max_attempts
        self._holder = secrets.token_hex(8)  # this process, as a holder of leases

    def lead(self, name: str, seconds: float) -> bool:
        """Take or prolong the lease `name` for this process; False while another holds it."""
        return self._store.at_once(lambda connection: self._lead(connection, name, seconds))

    def _lead(self, connection: sa.Connection, name: str, seconds: float) -> bool:
        now = self._store.now()
        lease = {"holder": self._holder, "until": now + seconds}
        statement = insert(connection, leases).values(name=name, **lease)
        free = (leases.c.holder == self._holder) | (leases.c.until <= now)
        statement = statement.on_conflict_do_update(index_elements=["name"], set_=lease, where=free)
        return connection.execute(statement.returning(leases.c.name)).first() is not None

    def wait(self) -> None:
        """Wait until jobs may wait, or it is time to look."""
        self._store.bell.wait()

    @reads
    def due(self, connection: sa.Connection) -> Due:
        """Whether anything is to be looked after now."""
        return due(connection, self._store.now())

    @reads
    def unled_seconds(self, connection: sa.Connection, name: str) -> float:
        """For how long nobody has held the lease `name` that was not given up; 0 where nobody ever did."""
        until = connection.scalar(sa.select(leases.c.until).where(leases.c.name == name))
        return 0.0 if until is None else max(0.0, self._store.now() - float(until))

    @writes
    def leave(self, transaction: Transaction, name: str) -> None:
        """Give the lease `name` up."""
        mine = (leases.c.name == name) & (leases.c.holder == self._holder)
        transaction.connection.execute(sa.delete(leases).where(mine))

    def release(self, window: int | Window) -> Sequence[Release]:
        """Mark the next jobs of every queue as released: at most `window` unclaimed a queue."""
        limit: Window = window if callable(window) else lambda _: window
        with self._store.database.read() as connection:
            chosen = release.plan(connection, limit)
        if not chosen:
            return []
        now = self._store.now()
        return self._store.at_once(lambda connection: release.mark(connection, now, chosen))

    @writes
    def unrelease_stale(self, transaction: Transaction, queue: str, after: float) -> Sequence[str]:
        """Take back what was released to a queue `after` seconds ago and nobody claimed.

        Each further time that a job is taken back it is given twice as long.
        """
        return moves.stale(transaction.connection, transaction.now, queue, after)

    @writes
    def unrelease(self, transaction: Transaction, job_ids: Collection[str]) -> Sequence[str]:
        """Take back released jobs, as after a failed publish."""
        return take_back(transaction.connection, live.c.job_id.in_(list(job_ids)))

    @writes
    def to_shared(self, transaction: Transaction, queue: str, waited: float | None = None) -> Sequence[str]:
        """Move a machine's queued jobs to their model's queue; with `waited`, those that waited so long."""
        before = None if waited is None else transaction.now - waited
        return moves.to_shared(transaction.connection, queue, before)

    @writes
    def to_version(self, transaction: Transaction, old: str, new: str) -> Sequence[str]:
        """Move the queued jobs of one model version to another, whose workers have taken over."""
        return moves.to_version(transaction.connection, old, new)

    @reads
    def waiting_queues(self, connection: sa.Connection) -> Sequence[str]:
        """The queues that hold jobs to be released."""
        return release.waiting_queues(connection)

    @reads
    def machine_queues(self, connection: sa.Connection) -> Sequence[str]:
        """The queues of single devices and machines that hold jobs."""
        return moves.machine_queues(connection)

    @writes
    def expire_workers(self, transaction: Transaction) -> Sequence[Freed]:
        """Free the jobs of workers whose lease ran out."""
        return expiry.expire_workers(transaction, self._max_attempts)

    @writes
    def expire_deadlines(self, transaction: Transaction) -> Sequence[str]:
        """Fail the queued jobs that could not start in time."""
        return expiry.expire_deadlines(transaction)

    @writes
    def release_orphans(self, transaction: Transaction) -> int:
        """Let those run whose leader is gone."""
        return sharing.release_orphans(transaction.connection)
