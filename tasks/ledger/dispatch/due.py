"""Whether there is anything to look after: one statement a second, where nothing is."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.dispatch.expiry import FORGET_SECONDS
from tasks.ledger.sql.schema import live, outbox, unlogged_ends, workers


class Due(NamedTuple):
    """What there is to do."""

    endings: bool  # leases, deadlines, orphans, ends without a log line
    lines: bool  # jobs that wait, here or at the broker


def due(connection: sa.Connection, now: float) -> Due:
    """What there is to do by now."""
    return Due(*connection.execute(_DUE, {"p_now": now}).one())


def _statement() -> sa.Select[bool, bool]:
    now, leader = sa.bindparam("p_now", type_=sa.Double), live.alias("leader")
    queued = live.c.state == JobState.QUEUED
    holder = (workers.c.id == live.c.worker) & (workers.c.epoch == live.c.epoch)
    endings = (
        sa.exists().where(workers.c.lease_until <= now),
        sa.exists().where(workers.c.lease_until.is_(None), workers.c.seen_at < now - FORGET_SECONDS),
        sa.exists().where(
            live.c.worker.isnot(None), ~sa.exists().where(holder, workers.c.lease_until.isnot(None))
        ),
        sa.exists().where(live.c.expires_at <= now, queued),
        sa.exists().where(
            live.c.leader.isnot(None), ~sa.exists().where(leader.c.job_id == live.c.leader).correlate(live)
        ),
        sa.exists(sa.select(unlogged_ends.c.job_id)),
    )
    lines = sa.exists(sa.select(outbox.c.job_id)) | sa.exists().where(live.c.released_at.isnot(None), queued)
    return sa.select(sa.or_(*endings), lines)


_DUE = _statement()
