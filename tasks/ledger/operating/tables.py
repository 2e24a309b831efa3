"""The tables of those who run Tutti: API keys and canaries. They change seldom and by hand."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.ledger.sql.database import Database
from tasks.ledger.sql.migrate import migrate

metadata = sa.MetaData()  # its own: migration 0001 makes every table of the schema's

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(8), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # SHA-256 of the secret, which is kept nowhere
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("concurrent", sa.Integer),
    sa.Column("jobs_a_day", sa.Integer),
    sa.Column("seconds_a_day", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),
    sa.Column("revoked_at", sa.Double),
)

canaries = sa.Table(
    "canaries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # the highest is the one that counts; the rest is history
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("percent", sa.Double, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("stopped_at", sa.Double),
    sa.Column("reason", sa.Text),
)


def opened(url: str | sa.URL) -> Database:
    """Open a ledger's database with its tables up to date."""
    database = Database(url)
    migrate(database)
    return database
