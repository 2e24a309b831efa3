"""One poller a process: it asks the ledger about all watched jobs at once and wakes whom it concerns."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from observability.logging import get_logger
from tasks.ledger import Ledger, Snapshot

log = get_logger()


HEARTBEAT = 15.0  # seconds after which listeners are woken to say that they are still there


class Watch:
    """One listener to one job. It keeps only the newest snapshot, so that slow readers cost no memory."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.latest: Snapshot | None = None
        self._news, self._left = False, False
        self._woken = asyncio.Event()

    def tell(self, snapshot: Snapshot) -> None:
        """Keep the snapshot and wake the listener if it says anything new."""
        if snapshot != self.latest:
            self.latest, self._news = snapshot, True
            self._woken.set()

    def wake(self) -> None:
        """Wake the listener without any news."""
        self._woken.set()

    def leave(self) -> None:
        """End the listening."""
        self._left = True
        self._woken.set()

    async def changes(self) -> AsyncIterator[Snapshot | None]:
        """Each new snapshot, the last one final, and None for a heartbeat.

        What came while the reader was busy is skipped.
        """
        while not (self.latest and self.latest.state.final and not self._news):
            await self._woken.wait()
            self._woken.clear()
            if self._left:
                return
            news, self._news = self._news, False
            yield self.latest if news else None


class Watcher:
    """Polls the ledger while anybody listens; one event loop's.

    Args:
        ledger: the ledger.
        period: seconds between two polls; the ledger's snapshots of a queue are of one second anyway.
        heartbeat: seconds between two heartbeats.
    """

    def __init__(self, ledger: Ledger, period: float = 0.4, heartbeat: float = HEARTBEAT) -> None:
        self._ledger, self._period, self._heartbeat = ledger, period, heartbeat
        self._watches: dict[str, set[Watch]] = defaultdict(set)
        self._someone = asyncio.Event()
        self._streams: set[Watch] = set()
        self._closed = False

    @property
    def watched(self) -> int:
        """How many listeners there are."""
        return sum(len(group) for group in self._watches.values())

    @contextmanager
    def watch(self, job_id: str, *, stream: bool = False) -> Iterator[Watch]:
        """Listen to one job; a stream has to end before the process can."""
        watch = Watch(job_id)
        self._watches[job_id].add(watch)
        if stream:
            self._streams.add(watch)
            if self._closed:
                watch.leave()
        self._someone.set()
        try:
            yield watch
        finally:
            self._streams.discard(watch)
            group = self._watches[job_id]
            group.discard(watch)
            if not group:
                del self._watches[job_id]

    def end_streams(self) -> None:
        """Let all streams end, now and from now on: their clients come back to whoever takes over."""
        self._closed = True
        for watch in tuple(self._streams):
            watch.leave()

    async def run(self) -> None:
        """Poll until cancelled. A ledger that is away is asked again."""
        await asyncio.gather(self._polls(), self._heartbeats())

    async def _polls(self) -> None:
        while True:
            if not self._watches:
                self._someone.clear()
                await self._someone.wait()
            try:
                await self._poll()
            except Exception as error:
                log.warning("web.watch", message=f"the ledger does not answer: {error}")
            await asyncio.sleep(self._period)

    async def _heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            for watch in tuple(self._streams):
                watch.wake()

    async def _poll(self) -> None:
        snapshots = await asyncio.to_thread(self._ledger.views.snapshots, list(self._watches))
        for job_id, snapshot in snapshots.items():
            for watch in tuple(self._watches.get(job_id, ())):
                watch.tell(snapshot)
