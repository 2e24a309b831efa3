"""The workers as the ledger knows them."""

from __future__ import annotations

import json

import sqlalchemy as sa

from tasks.ledger.sql.schema import live, workers
from tasks.ledger.values.records import WorkerView


def seen(connection: sa.Connection, now: float) -> list[WorkerView]:
    """All workers that were seen within a day."""
    busy = (
        sa.select(sa.func.count())
        .where(live.c.worker == workers.c.id, live.c.epoch == workers.c.epoch)
        .scalar_subquery()
    )
    rows = connection.execute(sa.select(workers, busy.label("running")).order_by(workers.c.id)).mappings()
    return [_view(row, now) for row in rows]


def _view(row: sa.RowMapping, now: float) -> WorkerView:
    values = {name: row[name] for name in WorkerView.__dataclass_fields__ if name in row}
    holds = row["lease_until"] is not None
    alive = holds and row["lease_until"] > now
    known = {"queues": tuple(json.loads(row["queues"])), "alive": alive, "overdue": holds and not alive}
    return WorkerView(**values | known)
