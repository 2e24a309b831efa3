"""Which jobs go to the broker next: fair among owners, by priority, a bounded window ahead.

Stride scheduling: an owner's k-th job in flight on a queue has the virtual time k / weight, and the least
goes first. So the first job of one who comes new stands before the second of one who has five hundred, and
a high priority wins a turn without starving anybody. Source: Waldspurger and Weihl, "Stride Scheduling",
MIT/LCS/TM-528, 1995.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.sql.schema import live, outbox
from tasks.ledger.sql.statements import as_rows, given_on
from tasks.ledger.values.records import Release

WEIGHTS = {0: 4.0, 1: 2.0, 2: 1.0}  # by rank: high, normal, low

Window = Callable[[str], int]
"""How many jobs may be released and unclaimed on a queue."""


def plan(connection: sa.Connection, window: Window) -> list[str]:
    """The ids of the jobs to be released next, for each queue in its order; nothing is written."""
    return [job for queue in waiting_queues(connection) for job in _next_of(connection, queue, window(queue))]


def mark(connection: sa.Connection, now: float, job_ids: Sequence[str]) -> list[Release]:
    """Release jobs: out of the outbox; those that were claimed or cancelled meanwhile are left out.

    So is for now what another session is changing: nobody waits for a host that fell silent amid that.
    """
    known = {"given": as_rows([[job_id] for job_id in job_ids]), "p_now": now}
    as_released, out_of_the_outbox = _mark_on(connection.dialect.name)
    found = {row.job_id: Release(**row._mapping) for row in connection.execute(as_released, known)}
    if out_of_the_outbox is not None:
        connection.execute(out_of_the_outbox, known)
    return [found[job_id] for job_id in job_ids if job_id in found]


@cache
def _mark_on(dialect: str) -> tuple[sa.Executable, sa.Executable | None]:
    """What releases, and what empties the outbox; on a server the first does both."""
    asked = outbox.c.job_id.in_(sa.select(given_on(dialect, [outbox.c.job_id]).c.job_id))
    unreleased = (live.c.state == JobState.QUEUED) & live.c.released_at.is_(None)
    both = outbox.join(live, live.c.job_id == outbox.c.job_id)
    free = sa.select(outbox.c.job_id).select_from(both).where(asked, unreleased)
    columns = (live.c.job_id, live.c.queue, live.c.traceparent, live.c.owner)
    values = {"released_at": sa.bindparam("p_now", type_=sa.Double), "releases": live.c.releases + 1}
    chosen = sa.update(live).where(live.c.job_id.in_(free.with_for_update(skip_locked=True)))
    released = chosen.values(values).returning(*columns)
    waits = sa.exists().where(live.c.job_id == outbox.c.job_id, unreleased)
    done = sa.select(outbox.c.job_id).where(asked, ~waits).with_for_update(skip_locked=True)
    if dialect == "sqlite":
        return released, sa.delete(outbox).where(outbox.c.job_id.in_(done))
    ours = released.cte("released")
    gone = outbox.c.job_id.in_(sa.select(ours.c.job_id)) | outbox.c.job_id.in_(done)
    return sa.select(ours).add_cte(sa.delete(outbox).where(gone).cte("gone")), None


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
