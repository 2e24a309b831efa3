"""The canary's row, and what the lanes' jobs came to."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from tasks.jobs import ErrorClass, JobState
from tasks.ledger.sql.schema import canaries, jobs
from tasks.ledger.sql.store import Store, reads, writes
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.values.records import Canary, Sample

MOST = 2_000  # the latest jobs of a lane say enough


class Canaries:
    """The canary of one ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @reads
    def get(self, connection: sa.Connection) -> Canary | None:
        """Give the canary, stopped or not; None where there never was one."""
        return _get(connection)

    @writes
    def set(self, transaction: Transaction, version: str, percent: float) -> Canary:
        """Begin a canary; another share of the one that runs goes on with what was seen of it."""
        connection = transaction.connection
        old = _get(connection)
        goes_on = old is not None and old.active and old.version == version
        since = old.since if old and goes_on else transaction.now
        connection.execute(sa.insert(canaries).values(version=version, percent=percent, since=since))
        return Canary(version=version, percent=percent, since=since)

    @writes
    def stop(self, transaction: Transaction, reason: str) -> None:
        """Send no more clients there."""
        last = sa.select(sa.func.max(canaries.c.id)).scalar_subquery()
        rows = (canaries.c.id == last) & canaries.c.stopped_at.is_(None)
        stopped = sa.update(canaries).where(rows).values(stopped_at=transaction.now, reason=reason)
        transaction.connection.execute(stopped)

    @reads
    def sample(self, connection: sa.Connection, lane: str, since: float) -> Sample:
        """Give what ended in a lane since then; cancelled jobs and audio from the cache say nothing."""
        ended = sa.select(
            jobs.c.state, jobs.c.error_class, jobs.c.request, jobs.c.started_at, jobs.c.finished_at
        )
        ended = ended.where(
            jobs.c.lane == lane,
            jobs.c.created_at >= since,
            jobs.c.state.in_([JobState.SUCCEEDED, JobState.FAILED]),
            jobs.c.cache_of.is_(None),
        )
        sample = Sample()
        for row in connection.execute(ended.order_by(jobs.c.id.desc()).limit(MOST)):
            _count(sample, row)
        return sample


def _get(connection: sa.Connection) -> Canary | None:
    row = connection.execute(sa.select(canaries).order_by(canaries.c.id.desc()).limit(1)).first()
    if row is None:
        return None
    return Canary(
        version=row.version,
        percent=row.percent,
        since=row.since,
        stopped_at=row.stopped_at,
        reason=row.reason,
    )


def _count(sample: Sample, row: Any) -> None:
    if row.state == JobState.FAILED and not ErrorClass(row.error_class).ours:
        return
    sample.jobs += 1
    if row.state == JobState.FAILED:
        sample.failed += 1
    elif row.started_at is not None:
        wanted = json.loads(row.request)
        audio = float(wanted.get("duration", 60.0)) * int(wanted.get("variations", 1))
        sample.times.append((row.finished_at - row.started_at) / audio)
