"""Which adapter an owner has chosen for the songs to come: theirs alone, never a process's."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from tasks.ledger.sql.schema import adapter_choices
from tasks.ledger.sql.statements import insert
from tasks.ledger.sql.store import Store, reads, writes
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import Choice

FORGOTTEN: Final = 30 * 86_400.0  # seconds after which a choice is dropped


class Adapters:
    """The choices of one ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @reads
    def chosen(self, connection: sa.Connection, owner: str) -> Choice | None:
        """What the owner has chosen."""
        fresh = adapter_choices.c.chosen_at > self._store.now() - FORGOTTEN
        row = connection.execute(
            sa.select(adapter_choices).where(adapter_choices.c.owner == owner, fresh)
        ).first()
        return Choice(row.adapter, row.enabled, row.scale) if row else None

    @writes
    def choose(self, transaction: Transaction, owner: str, choice: Choice | None) -> None:
        """Choose, or drop the choice; what others chose long ago is dropped with it."""
        connection, now = transaction.connection, transaction.now
        gone = (adapter_choices.c.owner == owner) | (adapter_choices.c.chosen_at <= now - FORGOTTEN)
        connection.execute(sa.delete(adapter_choices).where(gone))
        if choice is not None:
            row = {
                "owner": owner,
                "adapter": choice.adapter,
                "enabled": choice.enabled,
                "scale": choice.scale,
                "chosen_at": now,
            }
            connection.execute(insert(connection, adapter_choices).values(row))
