"""The secrets that callbacks are signed with: each key's own, or the one of all who have none.

They are kept as they are, since a signature cannot be made of a hash: who can read the ledger can sign.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tasks.ledger.sql.schema import api_keys, webhook_secrets
from tasks.ledger.sql.store import Store, reads, writes
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.errors import UnknownKey
from tasks.ledger.values.records import WebhookSecret
from tasks.security.webhooks import new_secret

EVERYONE = ""
HOUR = 3600.0


class Webhooks:
    """The secrets of one ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @writes
    def rotate(self, transaction: Transaction, key_id: str, hours: float) -> str:
        """Make a new secret; the one before holds for some hours more, and older ones no longer.

        Args:
            transaction: Made by the store.
            key_id: Whose callbacks it signs; empty for all whose key has none.
            hours: For so long both hold.

        Raises:
            UnknownKey: There is no such key.
        """
        connection, now = transaction.connection, transaction.now
        if key_id and connection.scalar(sa.select(api_keys.c.id).where(api_keys.c.id == key_id)) is None:
            raise UnknownKey(f"there is no key {key_id!r}; `tutti keys list` shows them")
        own = webhook_secrets.c.key_id == key_id
        newest = own & webhook_secrets.c.expires_at.is_(None)
        connection.execute(sa.delete(webhook_secrets).where(own, webhook_secrets.c.expires_at.isnot(None)))
        connection.execute(sa.update(webhook_secrets).where(newest).values(expires_at=now + hours * HOUR))
        secret = new_secret()
        row = {"key_id": key_id, "secret": secret, "created_at": now, "expires_at": None}
        connection.execute(sa.insert(webhook_secrets).values(row))
        return secret

    @writes
    def revoke(self, transaction: Transaction, key_id: str) -> int:
        """Drop all secrets of a key at once; their number."""
        gone = sa.delete(webhook_secrets).where(webhook_secrets.c.key_id == key_id)
        return transaction.connection.execute(gone).rowcount

    @reads
    def valid(self, connection: sa.Connection, key_id: str) -> Sequence[str]:
        """The secrets that sign a key's callbacks now, the newest first."""
        held = webhook_secrets.c.expires_at.is_(None) | (webhook_secrets.c.expires_at > self._store.now())
        query = sa.select(webhook_secrets.c.secret).where(held).order_by(webhook_secrets.c.id.desc())
        for whose in dict.fromkeys((key_id, EVERYONE)):
            if found := connection.execute(query.where(webhook_secrets.c.key_id == whose)).scalars().all():
                return list(found)
        return []

    @reads
    def all(self, connection: sa.Connection) -> Sequence[WebhookSecret]:
        """What there is, without the secrets themselves."""
        rows = connection.execute(sa.select(webhook_secrets).order_by(webhook_secrets.c.id))
        return [WebhookSecret(row.key_id, row.created_at, row.expires_at) for row in rows]
