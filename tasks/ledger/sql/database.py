"""The database below the ledger: SQLite on one machine, PostgreSQL on many, behind the same few verbs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import ConnectionPoolEntry

from tasks.ledger.values.errors import LedgerUnavailable

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # NORMAL would lose the last commits with the machine
    "busy_timeout=10000",
    "wal_autocheckpoint=4000",
    "temp_store=MEMORY",
)
DAMAGED = ("file is not a database", "disk image is malformed")
CLOCK_CHECK_SECONDS = 60.0


class Database:
    """Connections for reading, and one transaction at a time for writing.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
    """

    def __init__(self, url: str | sa.URL) -> None:
        self.url = _with_driver(sa.make_url(url))
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.path = _file_of(self.url) if self.sqlite else None
        self._lock = _FileLock(self.path) if self.path else None
        self.reader = self._engine(isolation_level="AUTOCOMMIT")
        self.writer = self._engine()
        if self.sqlite:
            sa.event.listen(self.writer, "begin", _begin_immediate)

    def _engine(self, **options: Any) -> sa.Engine:
        engine = sa.create_engine(self.url, pool_pre_ping=not self.sqlite, **options)
        if self.sqlite:
            sa.event.listen(engine, "connect", _prepare_sqlite)
        return engine

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees what is committed."""
        with _translated(), self.reader.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction, committed at the end of the block and durable then."""
        with _translated(), self._lock or contextlib.nullcontext(), self.writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give all connections back."""
        self.reader.dispose()
        self.writer.dispose()


class DatabaseClock:
    """The time all processes of a ledger agree on: the database server's, measured once a minute.

    In between it goes by the machine's uptime, so that setting its clock moves no lease. The processes of a
    SQLite ledger are on one machine and go by its clock.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offset = 0.0
        self._checked = float("-inf")

    def __call__(self) -> float:
        """Unix seconds."""
        if self._database.sqlite:
            return time.time()
        if _uptime() - self._checked > CLOCK_CHECK_SECONDS:
            self._measure()
        return _uptime() + self._offset

    def _measure(self) -> None:
        with self._database.read() as connection:
            before = _uptime()
            theirs = float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
            self._checked = _uptime()
        self._offset = theirs - (before + self._checked) / 2


def _uptime() -> float:
    """Seconds since the machine started, those that it slept included where the kernel counts them."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


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


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Say in the ledger's words that the database cannot be used."""
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error, OSError) as error:
        if any(words in str(error) for words in DAMAGED):
            raise LedgerUnavailable(
                "the ledger's file is damaged and cannot be read; stop Tutti, then bring a backup back "
                "(tutti restore)"
            ) from error
        raise LedgerUnavailable("the ledger cannot be reached or written now; try again soon") from error


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


def insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT of the connection's dialect, which can say ON CONFLICT."""
    return insert_on(connection.dialect.name, table)


def insert_on(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """The same for a dialect's name, for statements that are built once."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def given(connection: sa.Connection, columns: Sequence[sa.Column[Any]], name: str = "given") -> sa.Subquery:
    """The same as `given_on`, for the connection's dialect."""
    return given_on(connection.dialect.name, columns, name)


def given_on(dialect: str, columns: Sequence[sa.Column[Any]], name: str = "given") -> sa.Subquery:
    """Rows handed over as one JSON parameter `name` (see `as_rows`), as a table with `columns`.

    One statement for any number of rows, so that the interpreter's lock is let go once and not per row.
    """
    parameter: sa.ColumnElement[Any] = sa.bindparam(name, type_=sa.Text)
    if dialect == "sqlite":
        table = sa.func.json_each(parameter).table_valued("value", name=f"{name}_json")
    else:
        parameter = sa.cast(parameter, postgresql.JSON)
        table = sa.func.json_array_elements(parameter).table_valued("value", name=f"{name}_json")
    picked = [
        sa.cast(table.c.value.op("->>")(sa.literal_column(str(place))), column.type).label(column.name)
        for place, column in enumerate(columns)
    ]
    return sa.select(*picked).where(sa.true()).subquery(name)


def as_rows(rows: Sequence[Sequence[object]]) -> str:
    """Rows as the JSON parameter that `given` reads."""
    return orjson.dumps(rows).decode()


def insert_given(
    connection: sa.Connection,
    table: sa.Table,
    names: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    ignore: bool = False,
) -> None:
    """Insert rows set-based; with `ignore` those whose key is there already are left out."""
    if not rows:
        return
    statement = _insert_given_on(connection.dialect.name, table, tuple(names), ignore)
    connection.execute(statement, {"given": as_rows(rows)})


@cache
def _insert_given_on(dialect: str, table: sa.Table, names: tuple[str, ...], ignore: bool) -> sa.Insert:
    """Built once: SQLAlchemy spends more time on building it than SQLite on running it."""
    source = given_on(dialect, [table.c[name] for name in names])
    statement = insert_on(dialect, table).from_select(list(names), sa.select(source).where(sa.true()))
    return statement.on_conflict_do_nothing() if ignore else statement
