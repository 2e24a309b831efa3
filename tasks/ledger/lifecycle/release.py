"""Which jobs go to the broker next: fair among owners, by priority, a bounded window ahead.

Stride scheduling: an owner's k-th job in flight on a queue has the virtual time k / weight, and the least
goes first. So the first job of one who comes new stands before the second of one who has five hundred, and
a high priority wins a turn without starving anybody. Source: Waldspurger and Weihl, "Stride Scheduling",
MIT/LCS/TM-528, 1995.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.records import Release
from tasks.ledger.sql.database import as_rows, given_on
from tasks.ledger.sql.schema import live, outbox

WEIGHTS = {0: 4.0, 1: 2.0, 2: 1.0}  # by rank: high, normal, low

DOUBLINGS = 5

Window = Callable[[str], int]
"""How many jobs may be released and unclaimed on a queue."""


def plan(connection: sa.Connection, window: Window) -> list[str]:
    """The ids of the jobs to be released next, for each queue in its order; nothing is written."""
    return [job for queue in waiting_queues(connection) for job in _next_of(connection, queue, window(queue))]


def mark(connection: sa.Connection, now: float, job_ids: Sequence[str]) -> list[Release]:
    """Release jobs: out of the outbox; those that were claimed or cancelled meanwhile are left out."""
    out_of_the_outbox, as_released = _mark_on(connection.dialect.name)
    waiting = connection.scalars(out_of_the_outbox, {"given": as_rows([[job_id] for job_id in job_ids])})
    known = {"given": as_rows([[job_id] for job_id in waiting]), "p_now": now}
    found = {row.job_id: Release(**row._mapping) for row in connection.execute(as_released, known)}
    return [found[job_id] for job_id in job_ids if job_id in found]


@cache
def _mark_on(dialect: str) -> tuple[sa.Executable, sa.Executable]:
    asked = sa.select(given_on(dialect, [outbox.c.job_id]).c.job_id)
    here = sa.delete(outbox).where(outbox.c.job_id.in_(asked)).returning(outbox.c.job_id)
    wanted = live.c.job_id.in_(asked) & (live.c.state == JobState.QUEUED)
    columns = (live.c.job_id, live.c.queue, live.c.traceparent, live.c.owner)
    values = {"released_at": sa.bindparam("p_now"), "releases": live.c.releases + 1}
    return here, sa.update(live).where(wanted).values(values).returning(*columns)


def waiting_queues(connection: sa.Connection) -> list[str]:
    """The queues something waits for, each found by one look into the index."""
    return list(connection.scalars(_queues))


def _distinct(column: sa.Column[str], condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The distinct values of an indexed column without reading every row (a loose index scan)."""
    first = sa.select(sa.func.min(column).label("value")).where(condition)
    walk = first.cte("walk", recursive=True)
    following = sa.select(sa.func.min(column)).where(condition, column > walk.c.value).scalar_subquery()
    walk = walk.union_all(sa.select(following).where(walk.c.value.isnot(None)))
    return sa.select(walk.c.value).where(walk.c.value.isnot(None))


# Built once: SQLAlchemy spends more time on building these than SQLite on running them.
_QUEUE = sa.bindparam("p_queue", type_=sa.Text)
_queues = _distinct(outbox.c.queue, sa.true())
_owners = _distinct(outbox.c.owner, outbox.c.queue == _QUEUE)
_counted = (
    sa.select(
        live.c.owner, sa.func.count(), sa.func.sum(sa.case((live.c.state == JobState.QUEUED, 1), else_=0))
    )
    .where(live.c.released_at.isnot(None), live.c.queue == _QUEUE)
    .group_by(live.c.owner)
)


def _next_of(connection: sa.Connection, queue: str, window: int) -> list[str]:
    in_flight, unclaimed = _in_flight(connection, queue)
    room = window - unclaimed
    if room <= 0:
        return []
    owners = connection.scalars(_owners, {"p_queue": queue})
    chosen = heapq.nsmallest(room, owners, key=lambda owner: in_flight.get(owner, 0))
    waiting = _waiting(connection, queue, chosen, room)
    lines = [_virtual_times(jobs, in_flight.get(owner, 0)) for owner, jobs in waiting.items()]
    merged = heapq.merge(*lines)
    return [job_id for (_, job_id), _ in zip(merged, range(room), strict=False)]


def _in_flight(connection: sa.Connection, queue: str) -> tuple[dict[str, int], int]:
    """How many released or running jobs each owner has on a queue, and how many are unclaimed in all."""
    rows = connection.execute(_counted, {"p_queue": queue}).all()
    return {owner: number for owner, number, _ in rows}, sum(row[2] for row in rows)


def _waiting(
    connection: sa.Connection, queue: str, owners: Sequence[str], limit: int
) -> dict[str, list[tuple[int, str]]]:
    """The first `limit` jobs in the line of each owner, as (rank, id)."""
    known = {"given": as_rows([[owner] for owner in owners]), "p_queue": queue, "p_limit": limit}
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for owner, rank, job_id in connection.execute(_waiting_on(connection.dialect.name), known):
        found[owner].append((rank, job_id))
    return found


@cache
def _waiting_on(dialect: str) -> sa.Select[Any]:
    line = outbox.alias()
    asked = given_on(dialect, [outbox.c.owner])
    first = (
        sa.select(line.c.job_id)
        .where(line.c.queue == _QUEUE, line.c.owner == asked.c.owner)
        .order_by(line.c.rank, line.c.job_id)
        .limit(sa.bindparam("p_limit", type_=sa.Integer))
        .correlate(asked)
    )
    return (
        sa.select(outbox.c.owner, outbox.c.rank, outbox.c.job_id)
        .select_from(asked.join(outbox, outbox.c.job_id.in_(first)))
        .order_by(outbox.c.owner, outbox.c.rank, outbox.c.job_id)
    )


def _virtual_times(jobs: Sequence[tuple[int, str]], in_flight: int) -> Iterator[tuple[float, str]]:
    time = 0.0
    for place, (rank, job_id) in enumerate(jobs, start=in_flight + 1):
        time = max(time, place / WEIGHTS[rank])
        yield time, job_id


def take_back(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[str]:
    """Unrelease the released, unclaimed jobs that meet `condition`; they are released again."""
    lost = (
        sa.update(live)
        .where(live.c.released_at.isnot(None), live.c.state == JobState.QUEUED, condition)
        .values(released_at=None)
        .returning(live.c.job_id, live.c.queue, live.c.owner, live.c.rank)
    )
    rows = connection.execute(lost).mappings().all()
    if rows:
        connection.execute(sa.insert(outbox), [dict(row) for row in rows])
    return [row["job_id"] for row in rows]


def one_of(job_ids: Collection[str]) -> sa.ColumnElement[bool]:
    """The jobs with these ids."""
    return live.c.job_id.in_(list(job_ids))


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
    moved = list(connection.scalars(sa.update(live).where(here).values(values).returning(live.c.job_id)))
    connection.execute(sa.update(outbox).where(outbox.c.queue == old).values(queue=new))
    return moved


def to_shared(connection: sa.Connection, queue: str, accepted_before: float | None = None) -> list[str]:
    """Move the queued jobs of one machine's queue to their model's: all, or those accepted before a time."""
    here = (live.c.queue == queue) & (live.c.state == JobState.QUEUED) & (live.c.queue != live.c.model_queue)
    if accepted_before is not None:
        here &= live.c.accepted_at <= accepted_before
    take_back(connection, here)
    statement = sa.update(live).where(here).values(queue=live.c.model_queue)
    moved = connection.execute(statement.returning(live.c.job_id, live.c.queue)).all()
    for job_id, shared in moved:
        connection.execute(sa.update(outbox).where(outbox.c.job_id == job_id).values(queue=shared))
    return [job_id for job_id, _ in moved]
