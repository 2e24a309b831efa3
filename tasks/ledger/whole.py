"""The ledger as a whole: looked through, copied into one file of SQLite as of one moment, and put back."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from tasks.ledger.sql.database import Database
from tasks.ledger.sql.migrate import HEAD, migrate, require, revision_of
from tasks.ledger.sql.schema import NO_QUEUES
from tasks.ledger.values.errors import LedgerUnavailable
from tasks.settings import places

BATCH: Final = 500
NOT_ROWS: Final = frozenset({"alembic_version", "sqlite_sequence"})


def look_through(url: str | sa.URL) -> str:
    """Open a ledger and, where it is a file, read all of it; where it is comes back.

    Raises:
        LedgerUnavailable: It cannot be opened, or is damaged.
    """
    with contextlib.closing(Database(url)) as database:
        with database.read() as connection:
            said = connection.scalar(sa.text("PRAGMA quick_check(1)" if database.sqlite else "SELECT 'ok'"))
        if said != "ok":
            raise LedgerUnavailable(f"the ledger's file is damaged: {said}")
        return str(database.path) if database.path else database.url.render_as_string(hide_password=True)


def write(url: str | sa.URL, target: Path) -> str:
    """Copy a ledger into a new file, as of now; workers and dispatchers of today are left out of it.

    Returns:
        The revision of its tables.

    Raises:
        LedgerUnavailable: It cannot be read.
    """
    with contextlib.closing(_opened(url)) as source:
        if source.path is not None:
            _copy_file(source.path, target)
        else:
            with (
                contextlib.closing(_opened(places.sqlite_url(target))) as made,
                source.one_moment() as reading,
            ):
                _copy_rows(reading, made)
    _forget_the_living(target)
    return HEAD


def read(source: Path, url: str | sa.URL) -> None:
    """Put such a file into a ledger's place: as its file, or its rows into PostgreSQL.

    Raises:
        LedgerUnavailable: It cannot be written.
    """
    path = _path(url)
    if path is not None:
        source.replace(path)
        _opened(url).close()  # migrated here, where an error is seen
        return
    with (
        contextlib.closing(_opened(places.sqlite_url(source))) as kept,
        kept.read() as reading,
        contextlib.closing(Database(url)) as target,
    ):
        if revision_of(target) is None:  # an empty database, which nobody else uses yet
            migrate(target)
        require(target)
        _copy_rows(reading, target)


def bring_up_to_date(url: str | sa.URL) -> tuple[str | None, str]:
    """Run the migrations that a ledger has not seen.

    Returns:
        The revision that its tables had, None where there were none; and the one they have.

    Raises:
        LedgerUnavailable: It cannot be written.
    """
    with contextlib.closing(Database(url)) as database:
        before = migrate(database)
        return before, max(before or HEAD, HEAD)


def files(url: str | sa.URL) -> list[Path]:
    """The files of a ledger that is one, those that are there."""
    path = _path(url)
    if path is None:
        return []
    every = [path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")]
    return [one for one in every if one.exists()]


def is_known(revision: str) -> bool:
    """Whether this Tutti's migrations go as far as `revision`."""
    return revision <= HEAD


def jobs_in(url: str | sa.URL) -> int:
    """How many jobs a ledger knows; none where it is a file that is not there.

    Raises:
        LedgerUnavailable: It cannot be read.
    """
    path = _path(url)
    if path is not None and not path.exists():
        return 0
    with contextlib.closing(Database(url)) as database:
        if revision_of(database) is None:
            return 0
    with contextlib.closing(_opened(url)) as database, database.read() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM jobs")) or 0)


def _path(url: str | sa.URL) -> Path | None:
    with contextlib.closing(Database(url)) as database:
        return database.path.absolute() if database.path else None


def _opened(url: str | sa.URL) -> Database:
    """A file is brought up to date; a server's tables have to be."""
    database = Database(url)
    try:
        (migrate if database.sqlite else require)(database)
    except BaseException:
        database.close()
        raise
    return database


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
        connection.execute("DELETE FROM parts")


def _copy_rows(source: sa.Connection, target: Database) -> None:
    with target.write(hurried=False) as writing:
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
