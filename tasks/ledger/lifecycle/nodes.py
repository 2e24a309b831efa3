"""Web processes' signs of life, and leases of what only one process may do."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.ledger.records import WebNode
from tasks.ledger.sql.database import insert
from tasks.ledger.sql.schema import leases, web_nodes


def beat(
    connection: sa.Connection,
    now: float,
    node: str,
    address: str | None,
    *,
    healthy: bool,
    reason: str | None,
) -> None:
    """Write down how a web process is; without an address it has to be known."""
    told = {"healthy": healthy, "reason": reason, "seen_at": now}
    if address is None:
        connection.execute(sa.update(web_nodes).where(web_nodes.c.node == node).values(told))
        return
    told |= {"address": address}
    statement = insert(connection, web_nodes).values(node=node, **told)
    connection.execute(statement.on_conflict_do_update(index_elements=["node"], set_=told))


def forget(connection: sa.Connection, node: str) -> None:
    """A web process is no more."""
    connection.execute(sa.delete(web_nodes).where(web_nodes.c.node == node))


def views(connection: sa.Connection) -> list[WebNode]:
    """All web processes that registered and did not leave."""
    rows = connection.execute(sa.select(web_nodes).order_by(web_nodes.c.node)).mappings()
    return [WebNode(**row) for row in rows]


def lead(connection: sa.Connection, now: float, name: str, holder: str, seconds: float) -> bool:
    """Take or prolong a lease; whether `holder` has it now."""
    told = {"holder": holder, "until": now + seconds}
    statement = insert(connection, leases).values(name=name, **told)
    free = (leases.c.holder == holder) | (leases.c.until <= now)
    statement = statement.on_conflict_do_update(index_elements=["name"], set_=told, where=free)
    return connection.execute(statement.returning(leases.c.name)).first() is not None


def leave(connection: sa.Connection, name: str, holder: str) -> None:
    """Give a lease up."""
    connection.execute(sa.delete(leases).where(leases.c.name == name, leases.c.holder == holder))
