"""API keys: what `tutti keys` writes and the web nodes read. Never the keys themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from tasks.ledger.sql.schema import api_keys, ended_logins
from tasks.ledger.sql.statements import insert
from tasks.ledger.sql.store import Store, reads, writes
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.errors import UnknownKey
from tasks.security.keys import ApiKey, Quota, Scope, new_token, scopes_of

NAME_MAX = 100


class Keys:
    """The keys of one ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        name: str,
        scopes: Iterable[Scope] = ("jobs",),
        quota: Quota | None = None,
        *,
        days: float | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key.

        Args:
            name: Whose it is, for people.
            scopes: What it may do.
            quota: How much it may use.
            days: How long it holds; None for ever.

        Returns:
            The key as it is kept, and the text to hand over, which is kept nowhere.

        Raises:
            ValueError: The name is not one line of text.
        """
        if not (name.strip() and name.isprintable() and len(name) <= NAME_MAX):
            raise ValueError(f"a key's name is one line of at most {NAME_MAX} printable characters")
        key_id, digest, token = new_token()
        now = self._store.now()
        key = ApiKey(
            id=key_id,
            name=name,
            digest=digest,
            scopes=frozenset(scopes),
            quota=quota or Quota(),
            created_at=now,
            expires_at=None if days is None else now + days * 86_400,
        )
        self._insert(key)
        return key, token

    @writes
    def _insert(self, transaction: Transaction, key: ApiKey) -> None:
        transaction.connection.execute(sa.insert(api_keys).values(_row(key)))

    @reads
    def get(self, connection: sa.Connection, key_id: str) -> ApiKey | None:
        """Give the key of that id, revoked or not."""
        return _get(connection, key_id)

    @reads
    def all(self, connection: sa.Connection) -> list[ApiKey]:
        """Give all keys, the oldest first."""
        rows = connection.execute(sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))
        return [_key(row) for row in rows]

    @writes
    def revoke(self, transaction: Transaction, key_id: str) -> ApiKey:
        """End a key; doing so twice changes nothing.

        Raises:
            UnknownKey: There is none of this id.
        """
        open_key = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
        ended = sa.update(api_keys).where(open_key).values(revoked_at=transaction.now)
        transaction.connection.execute(ended)
        key = _get(transaction.connection, key_id)
        if key is None:
            raise UnknownKey(f"there is no key {key_id!r}; `tutti keys list` shows them")
        return key

    @writes
    def end_login(self, transaction: Transaction, login_id: str, until: float) -> None:
        """Note that a browser's login has ended before its cookie does, at `until`."""
        connection = transaction.connection
        connection.execute(sa.delete(ended_logins).where(ended_logins.c.until < transaction.now))
        statement = insert(connection, ended_logins).values(id=login_id, until=until)
        connection.execute(statement.on_conflict_do_nothing())

    @reads
    def has_ended(self, connection: sa.Connection, login_id: str) -> bool:
        """Whether a browser's login has ended."""
        statement = sa.select(ended_logins.c.id).where(ended_logins.c.id == login_id)
        return connection.execute(statement).first() is not None


def _get(connection: sa.Connection, key_id: str) -> ApiKey | None:
    row = connection.execute(sa.select(api_keys).where(api_keys.c.id == key_id)).first()
    return _key(row) if row else None


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "digest": key.digest,
        "scopes": " ".join(sorted(key.scopes)),
        "concurrent": key.quota.concurrent,
        "jobs_a_day": key.quota.jobs_a_day,
        "seconds_a_day": key.quota.seconds_a_day,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        digest=row.digest,
        scopes=scopes_of(row.scopes.split()),
        quota=Quota(concurrent=row.concurrent, jobs_a_day=row.jobs_a_day, seconds_a_day=row.seconds_a_day),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
