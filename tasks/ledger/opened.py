"""An open ledger: its database, its clock, and the one thread that writes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Self

import sqlalchemy as sa

from tasks.ledger.accepting import accept
from tasks.ledger.lifecycle import claims, finishes
from tasks.ledger.lifecycle.claims import Claim
from tasks.ledger.lifecycle.finishes import Finish
from tasks.ledger.records import NewJob
from tasks.ledger.sql.database import Database, DatabaseClock
from tasks.ledger.sql.migrate import migrate
from tasks.ledger.sql.room import Room
from tasks.ledger.sql.together import Together
from tasks.ledger.sql.writer import Change, T, Writer
from tasks.ledger.views import waiting
from tasks.settings import Settings

SHARDS = 64


class Opened:
    """Opens, and brings up to date, the ledger at a SQLAlchemy URL.

    Args:
        url: of a SQLite file or a PostgreSQL database.
        max_queued: jobs that may wait; more are refused with LedgerFull.
        max_attempts: runs a job may lose before it fails.
        lease_seconds: a worker silent for so long is taken for dead.
        clock: Unix seconds; default: the database server's time.

    Raises:
        LedgerUnavailable: the database cannot be reached or written.
    """

    def __init__(
        self,
        url: str | sa.URL,
        *,
        max_queued: int = 100_000,
        max_attempts: int = 3,
        lease_seconds: float = 10.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._database = Database(url)
        self._max_queued = max_queued
        self._max_attempts = max_attempts
        self._lease = lease_seconds
        self._shard = os.getpid() % SHARDS
        self.now = clock or DatabaseClock(self._database)
        self.name = secrets.token_hex(8)  # of this process, as a holder of leases
        migrate(self._database)
        self._room = Room(self._database.path)
        self._writer = Writer(self._database, self.now, self._accept_all)
        self._together = Together(self._writer, self._claim_and_finish)
        self._lines = waiting.Lines(self._database, self.now)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Open the ledger that these settings name."""
        return cls(
            settings.ledger,
            max_queued=settings.max_queued,
            max_attempts=settings.max_attempts,
            lease_seconds=settings.lease_seconds,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        self._writer.close()
        self._database.close()

    @property
    def held_up(self) -> bool:
        """Whether another process holds the database and does not go on: nothing can be written now."""
        return self._writer.held_up

    def _accept_all(self, connection: sa.Connection, now: float, new: Sequence[NewJob]) -> list[Any]:
        return list(accept.accept_all(connection, now, self._shard, new, self._max_queued))

    def _claim_and_finish(
        self, connection: sa.Connection, now: float, asked: Sequence[Claim | Finish]
    ) -> list[Any]:
        begun = [one for one in asked if isinstance(one, Claim)]
        ended = [one for one in asked if isinstance(one, Finish)]
        claimed = iter(claims.claim(connection, now, self._shard, begun))
        finished = iter(finishes.finish(connection, now, self._shard, ended))
        return [next(claimed if isinstance(one, Claim) else finished) for one in asked]

    def _write(self, change: Change[T]) -> T:
        return self._writer.submit(change).result()
