"""A job's progress as server-sent events.

Every event carries the whole of what is known, so a client that comes back needs no replay: its
Last-Event-ID only tells whether the newest event is news to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
from sse_starlette import ServerSentEvent

from tasks.ledger import Snapshot
from web.api import views
from web.desk import Desk

HEARTBEAT = 15  # seconds between comments that keep proxies and NATs from closing a quiet stream
RECONNECT_MS = 2_000
LAST = "end"


async def stream(desk: Desk, job_id: str, seen: str | None = None) -> AsyncIterator[ServerSentEvent]:
    """The events of one job until its end.

    Args:
        desk: the process's desk.
        job_id: a job that exists.
        seen: the Last-Event-ID of a client that comes back.
    """
    yield ServerSentEvent(comment="tutti", retry=RECONNECT_MS)
    with desk.watcher.watch(job_id) as watch:
        async for snapshot in watch.changes():
            if snapshot.state.final:
                yield await _last(desk, job_id)
            elif event_id(snapshot) != seen:
                yield _event(snapshot.state, _progress(snapshot), event_id(snapshot))
            seen = None


def event_id(snapshot: Snapshot) -> str:
    """A name for what the snapshot says; equal snapshots have equal names."""
    share, place = round(snapshot.progress * 1_000), snapshot.position or 0
    return LAST if snapshot.state.final else f"{snapshot.attempt}.{snapshot.state[0]}.{share}.{place}"


def _progress(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "state": snapshot.state,
        "attempt": snapshot.attempt,
        "progress": round(snapshot.progress, 4),
        "stage": snapshot.stage,
        "position": snapshot.position,
        "eta_seconds": snapshot.eta_seconds,
    }


async def _last(desk: Desk, job_id: str) -> ServerSentEvent:
    look = await desk.looks.ask(job_id)
    assert look is not None  # noqa: S101  it was there a moment ago, and final jobs stay for days
    job = look.job
    return _event(job.state, views.of_job(job, link=desk.links.to), LAST)


def _event(name: str, data: dict[str, Any], identity: str) -> ServerSentEvent:
    return ServerSentEvent(data=orjson.dumps(data).decode(), event=name, id=identity)
