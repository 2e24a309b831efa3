"""The ledger as one file of SQLite, as of one moment, from either database; and back into either."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from tasks import places
from tasks.ledger.sql.database import Database
from tasks.ledger.sql.migrate import HEAD, migrate
from tasks.ledger.sql.schema import NO_QUEUES

BATCH: Final = 500
NOT_ROWS: Final = frozenset({"alembic_version", "sqlite_sequence"})


def opened(url: str | sa.URL) -> Database:
    """A ledger's database, brought up to date."""
    database = Database(url)
    migrate(database)
    return database


def write(source: Database, target: Path) -> None:
    """Copy the ledger into a new file, as of now; workers and dispatchers of today are left out of it."""
    if source.path is not None:
        _copy_file(source.path, target)
    else:
        with contextlib.closing(opened(places.sqlite_url(target))) as made, _one_moment(source) as reading:
            _copy_rows(reading, made)
    _forget_the_living(target)


def read(source: Path, target: Database) -> None:
    """Fill an empty, migrated ledger of PostgreSQL from such a file."""
    with contextlib.closing(opened(places.sqlite_url(source))) as kept, kept.read() as reading:
        _copy_rows(reading, target)


def is_known(revision: str) -> bool:
    """Whether this Tutti's migrations go as far as `revision`."""
    return revision <= HEAD


def jobs_in(database: Database) -> int:
    """How many jobs a ledger knows."""
    with database.read() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM jobs")) or 0)


def empty(database: Database) -> None:
    """Take every row out of a ledger."""
    with database.write() as connection:
        for table in _tables(connection):
            connection.execute(sa.delete(table))


def _copy_file(source: Path, target: Path) -> None:
    """By SQLite's own way to copy a database that is being written."""
    with contextlib.closing(sqlite3.connect(target)) as copy:
        with contextlib.closing(
            sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        ) as original:
            original.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def _forget_the_living(path: Path) -> None:
    """Whoever restores begins with no worker, and what ran is queued again without a charge."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE workers SET lease_until = NULL, queues = ?", (NO_QUEUES,))
        connection.execute("DELETE FROM leases")
        connection.execute("DELETE FROM web_nodes")


@contextlib.contextmanager
def _one_moment(source: Database) -> Iterator[sa.Connection]:
    with source.reader.connect() as plain:
        connection = plain.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def _copy_rows(source: sa.Connection, target: Database) -> None:
    with target.write() as writing:
        for table in _tables(writing):
            writing.execute(sa.delete(table))
            names = [column.name for column in table.columns]
            rows = source.execution_options(stream_results=True).execute(
                sa.select(*(sa.column(name, table.c[name].type) for name in names)).select_from(
                    sa.table(table.name)
                )
            )
            for some in rows.mappings().partitions(BATCH):
                writing.execute(sa.insert(table), [dict(row) for row in some])
            if writing.dialect.name == "postgresql":
                _go_on_counting(writing, table)


def _tables(connection: sa.Connection) -> list[sa.Table]:
    found = sa.MetaData()
    found.reflect(connection)
    return [table for name, table in found.tables.items() if name not in NOT_ROWS]


def _go_on_counting(connection: sa.Connection, table: sa.Table) -> None:
    """Rows that number themselves go on after the highest."""
    for column in table.primary_key.columns:
        if not isinstance(column.type, sa.Integer):
            continue
        name = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name)))
        if name:
            highest = connection.scalar(sa.select(sa.func.max(column)))
            connection.execute(sa.select(sa.func.setval(name, highest or 1, highest is not None)))
