"""What every part of the ledger stands on: one database, the one thread that writes to it, one clock."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import sqlalchemy as sa

from tasks.ledger.sql.bell import Bell
from tasks.ledger.sql.clock import DatabaseClock
from tasks.ledger.sql.database import CONNECTIONS, Database
from tasks.ledger.sql.migrate import migrate, require
from tasks.ledger.sql.transaction import Change, T, Transaction
from tasks.ledger.sql.writer import Writer

SHARDS = 2**31


class Store:
    """Opens, and brings up to date, the database at a SQLAlchemy URL.

    Args:
        url: Of a SQLite file or a PostgreSQL database.
        clock: Unix seconds; default: the database server's time.
        connections: To a server at most.
        migrating: Whether to bring its tables up to date; else those of today, or of a newer Tutti, have to
            be there.

    Attributes:
        shard: Names the rows of sums that this store alone writes, so that it waits for nobody else's; the
            writers of a file take turns anyway, and share theirs.

    Raises:
        LedgerUnavailable: The database cannot be reached or written.
    """

    def __init__(
        self,
        url: str | sa.URL,
        clock: Callable[[], float] | None = None,
        connections: int = CONNECTIONS,
        *,
        migrating: bool = True,
    ) -> None:
        self.database = Database(url, connections)
        self.now = clock or DatabaseClock(self.database)
        try:
            (migrate if migrating else require)(self.database)
        except BaseException:
            self.database.close()
            raise
        self.shard = 0 if self.database.sqlite else secrets.randbelow(SHARDS)
        self.bell = Bell(self.database)
        self.writer = Writer(self.database, self.now, self.shard, self.bell.ring)

    def write(self, change: Change[T]) -> T:
        """Make a change, together with what others write now; it is durable when this returns."""
        return self.writer.submit(change).result()

    def at_once(self, statement: Callable[[sa.Connection], T]) -> T:
        """Make a change that is one statement: on a server without a transaction that could be left open."""
        if self.database.sqlite:
            return self.write(lambda transaction: statement(transaction.connection))
        with self.database.at_once() as connection:
            return statement(connection)

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        self.writer.close()
        self.bell.close()
        self.database.close()


class LedgerPart(Protocol):
    """A part of the ledger."""

    @property
    def _store(self) -> Store: ...


S = TypeVar("S", bound=LedgerPart)
R = TypeVar("R")
P = ParamSpec("P")


def writes(method: Callable[Concatenate[S, Transaction, P], R]) -> Callable[Concatenate[S, P], R]:
    """Run a part's method in a transaction of the one thread that writes; it answers after the commit."""

    @functools.wraps(method)
    def call(part: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return part._store.write(lambda transaction: method(part, transaction, *args, **kwargs))

    return call


def reads(method: Callable[Concatenate[S, sa.Connection, P], R]) -> Callable[Concatenate[S, P], R]:
    """Run a part's method with a connection that sees what is committed."""

    @functools.wraps(method)
    def call(part: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with part._store.database.read() as connection:
            return method(part, connection, *args, **kwargs)

    return call
