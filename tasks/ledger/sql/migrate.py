"""Bring a ledger's tables up to date when it is opened, one process at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from tasks.ledger.sql.database import Database

HEAD = "0008"  # the newest file in migrations/versions; a test holds it true
ADVISORY_LOCK = 0x7475747469  # any number that all of us take: "tutti"


def migrate(database: Database) -> None:
    """Run the migrations this ledger has not seen."""
    if _revision(database) != HEAD:
        with database.write(hurried=False) as connection, _alone(connection):
            _upgrade(connection)


def _revision(database: Database) -> str | None:
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
