"""Queued jobs that go from one queue to another, or back from the broker."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.dispatch.release import waiting_queues
from tasks.ledger.lifecycle.give_back import take_back, unlocked
from tasks.ledger.sql.schema import live, outbox

DOUBLINGS = 5


def stale(connection: sa.Connection, now: float, queue: str, after: float) -> list[str]:
    """Take back what was released to a queue `after` seconds ago and nobody claimed.

    Each time that a job is taken back it is given twice as long, lest copies of its message pile up in front
    of a worker that cannot take it.
    """
    doubled = sa.case(
        *((live.c.releases == 1 + n, after * 2**n) for n in range(DOUBLINGS)), else_=after * 2**DOUBLINGS
    )
    return take_back(connection, (live.c.queue == queue) & (live.c.released_at <= now - doubled))


def machine_queues(connection: sa.Connection) -> list[str]:
    """The queues of single devices and machines that queued jobs stand in."""
    released = sa.select(live.c.queue).where(live.c.released_at.isnot(None)).distinct()
    names = {*waiting_queues(connection), *connection.scalars(released)}
    return sorted(name for name in names if "@" not in name)


def to_version(connection: sa.Connection, old: str, new: str) -> list[str]:
    """Move the queued jobs of a model's queue to another version's, as when all workers were upgraded."""
    here = (live.c.queue == old) & (live.c.state == JobState.QUEUED)
    take_back(connection, here)
    values = {"queue": new, "model_queue": new}
    moving = sa.update(live).where(unlocked(here)).values(values).returning(live.c.job_id)
    moved = list(connection.scalars(moving))
    connection.execute(sa.update(outbox).where(outbox.c.job_id.in_(moved)).values(queue=new))
    return moved


def to_shared(connection: sa.Connection, queue: str, accepted_before: float | None = None) -> list[str]:
    """Move the queued jobs of one machine's queue to their model's: all, or those accepted before a time."""
    here = (live.c.queue == queue) & (live.c.state == JobState.QUEUED) & (live.c.queue != live.c.model_queue)
    if accepted_before is not None:
        here &= live.c.accepted_at <= accepted_before
    take_back(connection, here)
    statement = sa.update(live).where(unlocked(here)).values(queue=live.c.model_queue)
    moved = connection.execute(statement.returning(live.c.job_id, live.c.queue)).all()
    for job_id, shared in moved:
        connection.execute(sa.update(outbox).where(outbox.c.job_id == job_id).values(queue=shared))
    return [job_id for job_id, _ in moved]
