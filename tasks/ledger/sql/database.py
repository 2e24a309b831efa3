"""The database below the ledger: SQLite on one machine, PostgreSQL on many, behind the same few verbs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from tasks.ledger.sql import causes, sessions
from tasks.ledger.values.errors import LedgerUncertain

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # NORMAL would lose the last commits with the machine
    "busy_timeout=10000",
    "wal_autocheckpoint=4000",
    "temp_store=MEMORY",
)
CONNECTIONS = 4  # of one process to a server: one writes, the others read


class Database:
    """Connections for reading, and one transaction at a time for writing.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
        connections: To a server at most; of one, reading and writing take turns.
    """

    def __init__(self, url: str | sa.URL, connections: int = CONNECTIONS) -> None:
        self.url = _with_driver(sa.make_url(url))
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.path = _file_of(self.url) if self.sqlite else None
        self._here = threading.local()  # the connection that this thread has
        self._watch = sessions.Watch()
        if self.path:
            self._lock = _FileLock(self.path)
            self.reader = _sqlite_engine(self.url, isolation_level="AUTOCOMMIT")
            self.writer = _sqlite_engine(self.url)
            sa.event.listen(self.writer, "begin", _begin_immediate)
        else:
            self.writer = self.reader = sessions.engine(self.url, max(1, connections - 1), self._watch)
            if connections > 1:
                self.writer = sessions.engine(self.url, 1, self._watch)

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees what is committed, or, amid a change of this thread, what it has done."""
        with causes.translated():
            if self.sqlite:
                with self.reader.connect() as connection:
                    yield connection
            elif (current := getattr(self._here, "connection", None)) is not None:
                yield current
            else:
                with self._session(self.reader) as connection, _reading(connection):
                    yield connection

    @contextlib.contextmanager
    def write(self, *, hurried: bool = True) -> Iterator[sa.Connection]:
        """A transaction, committed at the end of the block and durable then.

        Args:
            hurried: Whether it ends within seconds, whatever happens; a copy of everything does not.

        Raises:
            LedgerUnavailable: Nothing was written.
            LedgerUncertain: Whether it was written is not known.
        """
        with causes.translated():
            if self.sqlite:
                with self._lock, self.writer.begin() as connection:
                    yield connection
            else:
                with self._session(self.writer) as connection, self._changing(connection, hurried=hurried):
                    yield connection

    @contextlib.contextmanager
    def at_once(self) -> Iterator[sa.Connection]:
        """A server's connection on which each statement is committed by itself.

        Whatever becomes of us the server ends it: no cut can leave it half done, or holding anything.
        """
        with causes.translated(), self._session(self.writer) as connection:
            yield connection

    @contextlib.contextmanager
    def one_moment(self) -> Iterator[sa.Connection]:
        """A server's connection that sees what is committed when it begins, for as long as one likes."""
        with causes.translated(), self._session(self.reader) as connection:
            self._watch.leave(connection)
            sessions.begin(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", hurried=False)
            try:
                yield connection
            finally:
                sessions.end(connection)

    @contextlib.contextmanager
    def _session(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        with engine.connect() as connection:
            self._here.connection = connection
            try:
                yield connection
            finally:
                self._here.connection = None

    @contextlib.contextmanager
    def _changing(self, connection: sa.Connection, *, hurried: bool) -> Iterator[None]:
        if not hurried:
            self._watch.leave(connection)
        sessions.begin(connection, hurried=hurried)
        try:
            yield
        except BaseException:
            sessions.end(connection)
            raise
        try:
            sessions.say(connection, "COMMIT")
        except sa.exc.DBAPIError as error:
            if causes.is_undecided(error):
                raise LedgerUncertain(causes.UNCERTAIN) from error
            raise

    def close(self) -> None:
        """Give all connections back."""
        self._watch.close()
        self.reader.dispose()
        self.writer.dispose()


@contextlib.contextmanager
def _reading(connection: sa.Connection) -> Iterator[None]:
    """In a transaction where only that bounds a statement."""
    if not sessions.is_pooled(connection):
        yield
        return
    sessions.begin(connection, "BEGIN READ ONLY")
    try:
        yield
    finally:
        sessions.end(connection)


class _FileLock:
    """One writer at a time among processes. The kernel wakes the next at once; SQLite's own wait polls."""

    def __init__(self, database: Path) -> None:
        database.parent.mkdir(parents=True, exist_ok=True)
        self._path = database.with_name(database.name + ".lock")
        self._local = threading.local()

    def __enter__(self) -> None:
        self._local.file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._local.file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._local.file)


def _sqlite_engine(url: sa.URL, **options: Any) -> sa.Engine:
    engine = sa.create_engine(url, **options)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _with_driver(url: sa.URL) -> sa.URL:
    return url.set(drivername="postgresql+psycopg") if url.get_backend_name() == "postgresql" else url


def _file_of(url: sa.URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise ValueError("the ledger needs a file: sqlite:////path/to/ledger.db")
    return Path(url.database)


def _prepare_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun by us, as IMMEDIATE
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
