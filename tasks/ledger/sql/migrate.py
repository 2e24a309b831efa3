"""A ledger's tables: brought up to date, one process at a time, or required to be.

Migrations only add (docs/upgrading.md), so that the Tutti before can go on with the tables of the one after.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from tasks.ledger.sql.database import Database
from tasks.ledger.values.errors import LedgerUnmigrated

HEAD = "0008"  # the newest file in migrations/versions; a test holds it true
ADVISORY_LOCK = 0x7475747469  # any number that all of us take: "tutti"


def migrate(database: Database) -> str | None:
    """Run the migrations this ledger has not seen; a ledger that a newer Tutti has migrated stays as it is.

    Returns:
        The revision that it had; None where it had no tables.
    """
    if _is_older(found := revision_of(database)):
        with database.write(hurried=False) as connection, _alone(connection):
            _upgrade(connection)
    return found


def require(database: Database) -> None:
    """See that the tables are this Tutti's or a newer one's.

    Raises:
        LedgerUnmigrated: They are older, or not there.
    """
    found = revision_of(database)
    if _is_older(found):
        there = f"has the tables of revision {found}" if found else "has no tables yet"
        raise LedgerUnmigrated(f"the ledger {there}, and this Tutti needs {HEAD}; run `tutti migrate` once")


def _is_older(revision: str | None) -> bool:
    return revision is None or revision < HEAD


def revision_of(database: Database) -> str | None:
    """The newest migration that this ledger has seen; None where it has no tables."""
    with database.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        return None if found is None else str(found)


@contextlib.contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    """Others wait until this transaction ends; SQLite's write transaction is a lock already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
    yield


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
