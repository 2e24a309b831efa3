"""Ends of jobs that no process of its own accord tells of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table of the ends to be told."""
    op.create_table("untold", sa.Column("job_id", sa.String(31), primary_key=True))
