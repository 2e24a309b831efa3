"""Run by Alembic: migrates over the connection that `tasks.ledger.sql.migrate` hands over."""

from __future__ import annotations

from alembic import context

from tasks.ledger.sql.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
