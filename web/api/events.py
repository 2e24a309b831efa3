"""A job's progress as server-sent events.

Every event carries the whole of what is known, so a client that comes back needs no replay: its
Last-Event-ID only tells whether the newest event is news to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import lru_cache

import orjson
from sse_starlette import ServerSentEvent
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tasks.ledger import JobStatus, Snapshot
from web.api import views
from web.process.watcher import Subscription
from web.request.state import AppState

RECONNECT_MS = 2_000
LAST = "end"
BEGIN = ServerSentEvent(comment="tutti", retry=RECONNECT_MS).encode()
PING = ServerSentEvent(comment="ping").encode()  # keeps proxies and NATs from closing a quiet stream


class EventStream(StreamingResponse):
    """The events of one job until its end, until the client goes, or until this process does.

    Our own, because sse-starlette runs four tasks for each stream, and a thousand took seconds to open.

    Args:
        state: The process's state.
        look: The job now, the first that is told.
        seen: The Last-Event-ID of a client that comes back.
        linked: Whether the client is given links to the songs.
    """

    media_type = "text/event-stream"

    def __init__(
        self, state: AppState, look: JobStatus, seen: str | None = None, *, linked: bool = True
    ) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(iter(()), headers=headers)
        self._state, self._look, self._seen, self._linked = state, look, seen, linked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer one request."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with self._state.watcher.subscribe(self._look.job.id, stream=True) as subscription:
            subscription.publish(self._look.snapshot)
            leaving = asyncio.create_task(_leave_with(receive, subscription))
            try:
                async for event in _events(self._state, subscription, self._seen, self._linked):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
            finally:
                leaving.cancel()
        await send({"type": "http.response.body", "body": b""})


async def _leave_with(receive: Receive, subscription: Subscription) -> None:
    """Stop listening when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    subscription.leave()


async def _events(
    state: AppState, subscription: Subscription, seen: str | None, linked: bool
) -> AsyncIterator[bytes]:
    yield BEGIN
    async for snapshot in subscription.changes():
        if snapshot is None:
            yield PING
        elif snapshot.state.final:
            yield await _last(state, subscription.job_id, linked)
        else:
            if event_id(snapshot) != seen:
                yield _event(snapshot)
            seen = None


def event_id(snapshot: Snapshot) -> str:
    """A name for what the snapshot says; equal snapshots have equal names."""
    share, place = round(snapshot.progress * 1_000), snapshot.position or 0
    return LAST if snapshot.state.final else f"{snapshot.attempt}.{snapshot.state[0]}.{share}.{place}"


@lru_cache(1_024)
def _event(snapshot: Snapshot) -> bytes:
    """One event over the wire; all who listen to a job get the same."""
    data = {
        "state": snapshot.state,
        "attempt": snapshot.attempt,
        "progress": round(snapshot.progress, 4),
        "stage": snapshot.stage,
        "position": snapshot.position,
        "eta_seconds": snapshot.eta_seconds,
    }
    return _wire(snapshot.state, orjson.dumps(data), event_id(snapshot))


async def _last(state: AppState, job_id: str, linked: bool) -> bytes:
    shown = state.ended.get(job_id)
    if shown is None:
        look = await state.looks.ask(job_id)
        assert look is not None  # noqa: S101  it was there a moment ago, and final jobs stay for days
        shown = views.show(state, look, linked=linked)
    return _wire(shown.state, shown.body, LAST)


def _wire(name: str, data: bytes, identity: str) -> bytes:
    return ServerSentEvent(data=data.decode(), event=name, id=identity).encode()
