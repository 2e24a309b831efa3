"""The first tables."""

from __future__ import annotations

from alembic import op

from tasks.ledger.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table of the schema."""
    metadata.create_all(op.get_bind())
