"""Web processes: they register, say how they are, and leave; the gateway reads of them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tasks.ledger.sql.schema import web_nodes
from tasks.ledger.sql.statements import insert
from tasks.ledger.sql.store import Store, reads, writes
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import WebNode


class WebNodes:
    """The web processes of one ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @writes
    def register(self, transaction: Transaction, node: str, address: str) -> None:
        """A web process is there."""
        row = {"address": address, "healthy": True, "reason": None, "seen_at": transaction.now}
        statement = insert(transaction.connection, web_nodes).values(node=node, **row)
        transaction.connection.execute(statement.on_conflict_do_update(index_elements=["node"], set_=row))

    @writes
    def beat(self, transaction: Transaction, node: str, healthy: bool, reason: str | None = None) -> None:
        """A sign of life of a web process that is known."""
        said = {"healthy": healthy, "reason": reason, "seen_at": transaction.now}
        transaction.connection.execute(sa.update(web_nodes).where(web_nodes.c.node == node).values(said))

    @writes
    def forget(self, transaction: Transaction, node: str) -> None:
        """A web process leaves."""
        transaction.connection.execute(sa.delete(web_nodes).where(web_nodes.c.node == node))

    @reads
    def all(self, connection: sa.Connection) -> Sequence[WebNode]:
        """All web processes that registered and did not leave."""
        rows = connection.execute(sa.select(web_nodes).order_by(web_nodes.c.node)).mappings()
        return [WebNode(**row) for row in rows]
