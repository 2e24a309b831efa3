"""Adapters that owners have chosen, and the secrets that callbacks are signed with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "adapter_choices",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("adapter", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("scale", sa.Double, nullable=False),
        sa.Column("chosen_at", sa.Double, nullable=False),
    )
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key_id", sa.String(8), nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
    )
    op.create_index("webhook_secrets_key", "webhook_secrets", ["key_id"])
