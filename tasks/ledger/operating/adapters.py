"""Which adapter an owner has chosen for the songs to come: theirs alone, never a process's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from tasks.ledger.operating.tables import adapter_choices
from tasks.ledger.sql.database import Database, insert

FORGOTTEN: Final = 30 * 86_400.0  # seconds after which a choice is dropped


@dataclass(frozen=True)
class Choice:
    """An adapter, and whether it is heard now."""

    adapter: str
    enabled: bool = True


class AdapterChoices:
    """The choices of one ledger.

    Args:
        database: The ledger's.
        now: Seconds since the epoch.
    """

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database, self._now = database, now

    def get(self, owner: str) -> Choice | None:
        """What the owner has chosen."""
        fresh = adapter_choices.c.chosen_at > self._now() - FORGOTTEN
        query = sa.select(adapter_choices).where(adapter_choices.c.owner == owner, fresh)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return Choice(row.adapter, row.enabled) if row else None

    def set(self, owner: str, choice: Choice | None) -> None:
        """Choose, or drop the choice; what others chose long ago is dropped with it."""
        now = self._now()
        gone = (adapter_choices.c.owner == owner) | (adapter_choices.c.chosen_at <= now - FORGOTTEN)
        with self._database.write() as connection:
            connection.execute(sa.delete(adapter_choices).where(gone))
            if choice is not None:
                row = {"owner": owner, "adapter": choice.adapter, "enabled": choice.enabled, "chosen_at": now}
                connection.execute(insert(connection, adapter_choices).values(row))
