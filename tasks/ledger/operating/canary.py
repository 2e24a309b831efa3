"""The canary's row, and what the lanes' jobs came to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from tasks.jobs import ErrorClass, JobState
from tasks.ledger.operating.records import Canary, Sample
from tasks.ledger.operating.tables import canaries
from tasks.ledger.sql.database import Database, DatabaseClock
from tasks.ledger.sql.schema import jobs

MOST = 2_000  # the latest jobs of a lane say enough


class CanaryTable:
    """The canary of one ledger.

    Args:
        database: The ledger's.
        now: Seconds since the epoch; by default as the ledger counts them, whose jobs are compared with it.
    """

    def __init__(self, database: Database, now: Callable[[], float] | None = None) -> None:
        self._database, self._now = database, now or DatabaseClock(database)

    def get(self) -> Canary | None:
        """Give the canary, stopped or not; None where there never was one."""
        with self._database.read() as connection:
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

    def set(self, version: str, percent: float) -> Canary:
        """Begin a canary; another share of the one that runs goes on with what was seen of it."""
        now, old = self._now(), self.get()
        goes_on = old is not None and old.active and old.version == version
        since = old.since if old and goes_on else now
        with self._database.write() as connection:
            connection.execute(sa.insert(canaries).values(version=version, percent=percent, since=since))
        return Canary(version=version, percent=percent, since=since)

    def stop(self, reason: str) -> None:
        """Send no more clients there."""
        last = sa.select(sa.func.max(canaries.c.id)).scalar_subquery()
        rows = (canaries.c.id == last) & canaries.c.stopped_at.is_(None)
        with self._database.write() as connection:
            connection.execute(sa.update(canaries).where(rows).values(stopped_at=self._now(), reason=reason))

    def sample(self, lane: str, since: float) -> Sample:
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
        with self._database.read() as connection:
            for row in connection.execute(ended.order_by(jobs.c.id.desc()).limit(MOST)):
                _count(sample, row)
        return sample


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
