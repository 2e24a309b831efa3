"""What every process of a cluster says of itself: which part it is, where, how it is, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from tasks.ledger.sql.schema import parts
from tasks.ledger.sql.statements import insert
from tasks.ledger.sql.store import Store, reads, writes
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import PartReport, PartView

GONE_SECONDS = 3_600.0  # then a part that is silent is thought to be gone for good


class Parts:
    """The parts of one ledger's cluster."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @writes
    def record(self, transaction: Transaction, report: PartReport, replaces: float) -> bool:
        """Note how a part is; whether people have cordoned it comes back.

        Args:
            transaction: Given by the writer.
            report: The part's words.
            replaces: Others of its kind and machine that were silent for so many seconds are forgotten: it
                stands in their place.
        """
        connection, now = transaction.connection, transaction.now
        row: dict[str, object] = {
            "kind": report.kind,
            "node": report.node,
            "version": report.version,
            "state": report.state,
        }
        row |= {"reason": report.reason, "facts": json.dumps(report.facts), "seen_at": now}
        statement = insert(connection, parts).values(id=report.id, **row)
        statement = statement.on_conflict_do_update(index_elements=["id"], set_=row)
        cordoned = connection.scalar(statement.returning(parts.c.cordoned))
        if report.kind != "worker":
            same = (parts.c.kind == report.kind) & (parts.c.node == report.node) & (parts.c.id != report.id)
            connection.execute(sa.delete(parts).where(same, parts.c.seen_at < now - replaces))
        return bool(cordoned)

    @writes
    def leave(self, transaction: Transaction, part: str) -> None:
        """A part ends of its own accord; one that people have cordoned stays so."""
        gone = sa.delete(parts).where(parts.c.id == part, parts.c.cordoned.is_(False))
        transaction.connection.execute(gone)

    @writes
    def cordon(self, transaction: Transaction, part: str, on: bool) -> bool:
        """Let a worker take no more jobs, or take them again; False where nobody knows it."""
        statement = sa.update(parts).where(parts.c.id == part, parts.c.kind == "worker")
        return transaction.connection.execute(statement.values(cordoned=on)).rowcount > 0

    @reads
    def all(self, connection: sa.Connection) -> Sequence[PartView]:
        """All parts that have said something in the last hour, or are cordoned, by kind and machine."""
        since = parts.c.seen_at > self._store.now() - GONE_SECONDS
        asked = sa.select(parts).where(since | parts.c.cordoned).order_by(parts.c.kind, parts.c.node)
        rows = connection.execute(asked.order_by(parts.c.id)).mappings()
        return [PartView(**{**row, "facts": json.loads(row["facts"])}) for row in rows]
