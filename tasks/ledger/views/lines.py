"""Where jobs stand in line: one picture of all lines a second serves everybody who waits."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tasks.jobs import JobState
from tasks.ledger.sql import queries
from tasks.ledger.sql.database import Database
from tasks.ledger.sql.schema import live, outbox, worker_pace
from tasks.ledger.values.records import JobStatus, QueueView, Snapshot
from tasks.ledger.views import fleet, places

FRESH_SECONDS = 1.0
LATELY = 900.0  # seconds before the newest run of a queue whose workers' pace counts


@dataclass
class _Picture:
    taken_at: float = float("-inf")
    waiting: dict[str, dict[str, int]] = field(default_factory=dict)  # by queue, by owner
    queues: dict[str, QueueView] = field(default_factory=dict)
    pace: dict[str, float] = field(default_factory=dict)  # seconds a job, by model queue
    slots: dict[str, int] = field(default_factory=dict)  # jobs at once, by queue


class Lines:
    """The lines of all queues, read at most once a second."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now
        self._picture = _Picture()
        self._lock = threading.Lock()

    def queues(self) -> list[QueueView]:
        """All queues that hold something."""
        with self._database.read() as connection:
            return list(self._current(connection).queues.values())

    def pace(self) -> dict[str, float]:
        """Seconds that a job runs, by its model's queue."""
        with self._database.read() as connection:
            return dict(self._current(connection).pace)

    def snapshots(self, ids: Collection[str]) -> dict[str, Snapshot]:
        """How far each job is; unknown ids are left out."""
        if not ids:
            return {}
        with self._database.read() as connection:
            picture = self._current(connection)
            found = places.rows(connection, ids, whole=False)
        return {job: _snapshot(row, picture) for job, row in found.items()}

    def statuses(self, ids: Collection[str]) -> dict[str, JobStatus]:
        """All about each job; unknown ids are left out."""
        with self._database.read() as connection:
            picture = self._current(connection)
            found = places.rows(connection, ids, whole=True)
        return {
            job: JobStatus(job=queries.job_of(row), snapshot=_snapshot(row, picture))
            for job, row in found.items()
        }

    def _current(self, connection: sa.Connection) -> _Picture:
        with self._lock:
            if self._now() - self._picture.taken_at >= FRESH_SECONDS:
                self._picture = _take(connection, self._now())
            return self._picture


def _take(connection: sa.Connection, now: float) -> _Picture:
    picture = _Picture(taken_at=now)
    lines = sa.select(outbox.c.queue, outbox.c.owner, sa.func.count()).group_by(
        outbox.c.queue, outbox.c.owner
    )
    counted: dict[str, dict[str, int]] = defaultdict(dict)
    for queue, owner, number in connection.execute(lines):
        counted[queue][owner] = number
    picture.waiting = dict(counted)
    picture.queues = _views(connection, now, picture.waiting)
    picture.pace = {row.queue: row.seconds for row in connection.execute(_PACE)}
    for worker in fleet.seen(connection, now):
        for queue in worker.queues if worker.alive else ():
            picture.slots[queue] = picture.slots.get(queue, 0) + worker.slots
    return picture


def _paces() -> sa.Select[Any]:
    """The mean of the workers that ran a queue's jobs lately, or were the last to."""
    newest = sa.select(worker_pace.c.queue, sa.func.max(worker_pace.c.learned_at).label("at"))
    last = newest.group_by(worker_pace.c.queue).subquery()
    lately = worker_pace.c.learned_at > last.c.at - LATELY
    return (
        sa.select(worker_pace.c.queue, sa.func.avg(worker_pace.c.seconds).label("seconds"))
        .join(last, (last.c.queue == worker_pace.c.queue) & lately)
        .group_by(worker_pace.c.queue)
    )


_PACE = _paces()


def _views(connection: sa.Connection, now: float, waiting: dict[str, dict[str, int]]) -> dict[str, QueueView]:
    in_flight: dict[tuple[str, str], int] = {}
    released = sa.select(live.c.queue, live.c.state, sa.func.count()).where(live.c.released_at.isnot(None))
    for queue, state, number in connection.execute(released.group_by(live.c.queue, live.c.state)):
        in_flight[queue, state] = number
    names = sorted(set(waiting) | {queue for queue, _ in in_flight})
    return {
        name: QueueView(
            name=name,
            waiting=sum(waiting.get(name, {}).values()),
            released=in_flight.get((name, JobState.QUEUED), 0),
            running=in_flight.get((name, JobState.RUNNING), 0),
            oldest_seconds=_oldest(connection, now, name),
        )
        for name in names
    }


def _oldest(connection: sa.Connection, now: float, queue: str) -> float:
    """Age of the queue's oldest waiting job: ids sort by time, so the least one is the oldest."""
    ids = (
        sa.select(sa.func.min(outbox.c.job_id)).where(outbox.c.queue == queue),
        sa.select(sa.func.min(live.c.job_id)).where(
            live.c.queue == queue, live.c.released_at.isnot(None), live.c.state == JobState.QUEUED
        ),
    )
    found = [job for job in (connection.scalar(one) for one in ids) if job]
    if not found:
        return 0.0
    times = connection.scalars(sa.select(live.c.accepted_at).where(live.c.job_id.in_(found)))
    return max((now - time for time in times), default=0.0)


def _position(row: sa.RowMapping, picture: _Picture) -> int:
    """A queued job's place: after those before it in its owner's line, and as many of every other owner."""
    if row["line"] is None:
        return 1  # released already: next in line
    place: int = row["place"]
    others = picture.waiting.get(row["line"], {})
    ahead = sum(min(number, place) for name, number in others.items() if name != row["line_owner"])
    view = picture.queues.get(row["line"])
    return place + ahead + (view.released if view else 0)


def _snapshot(row: sa.RowMapping, picture: _Picture) -> Snapshot:
    state = JobState(row["state"])
    position = _position(row, picture) if state is JobState.QUEUED else None
    seconds = picture.pace.get(row["model_queue"])
    progress = 1.0 if state is JobState.SUCCEEDED else row["progress"] or 0.0
    eta = None
    if seconds is not None and not state.final:
        waits = _ahead(row["model_queue"], position, picture) * seconds if state is JobState.QUEUED else 0.0
        eta = waits + seconds * (1.0 - progress)
    return Snapshot(
        state=state,
        attempt=row["attempt"] or 0,
        progress=progress,
        stage=row["stage"],
        position=position,
        eta_seconds=eta,
    )


def _ahead(queue: str, position: int | None, picture: _Picture) -> float:
    """How many runs, one after another, come before a job's own."""
    view = picture.queues.get(queue)
    return ((position or 1) - 1 + (view.running if view else 0)) / max(picture.slots.get(queue, 1), 1)
