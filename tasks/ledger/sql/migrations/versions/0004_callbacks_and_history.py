"""Callbacks that are owed, and an index of the jobs whose record may go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "callbacks",
        sa.Column("job_id", sa.String(31), primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("tries", sa.Integer, server_default=sa.text("0"), nullable=False),
    )
    op.create_index("callbacks_due", "callbacks", ["due_at"])
    bygone = sa.text("state IS NOT NULL AND (outputs IS NULL OR expired_at IS NOT NULL)")
    op.create_index("jobs_bygone", "jobs", ["finished_at"], sqlite_where=bygone, postgresql_where=bygone)
