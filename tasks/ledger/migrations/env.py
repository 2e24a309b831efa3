"""Run by Alembic: migrates over the connection that `tasks.ledger.migrate` hands over."""

from __future__ import annotations

from alembic import context

from tasks.ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
