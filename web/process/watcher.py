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


class Subscription:
    """One listener to one job. It keeps only the newest snapshot, so that slow readers cost no memory."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.latest: Snapshot | None = None
        self._news, self._left = False, False
        self._woken = asyncio.Event()

    def publish(self, snapshot: Snapshot) -> None:
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
        ledger: The ledger.
        period: Seconds between two polls; the ledger's snapshots of a queue are of one second anyway.
        heartbeat: Seconds between two heartbeats.
    """

    def __init__(self, ledger: Ledger, period: float = 0.4, heartbeat: float = HEARTBEAT) -> None:
        self._ledger, self._period, self._heartbeat = ledger, period, heartbeat
        self._subscriptions: dict[str, set[Subscription]] = defaultdict(set)
        self._someone = asyncio.Event()
        self._streams: set[Subscription] = set()
        self._closed = False

    @property
    def watched(self) -> int:
        """How many listeners there are."""
        return sum(len(group) for group in self._subscriptions.values())

    @contextmanager
    def subscribe(self, job_id: str, *, stream: bool = False) -> Iterator[Subscription]:
        """Listen to one job; a stream has to end before the process can."""
        subscription = Subscription(job_id)
        self._subscriptions[job_id].add(subscription)
        if stream:
            self._streams.add(subscription)
            if self._closed:
                subscription.leave()
        self._someone.set()
        try:
            yield subscription
        finally:
            self._streams.discard(subscription)
            group = self._subscriptions[job_id]
            group.discard(subscription)
            if not group:
                del self._subscriptions[job_id]

    def end_streams(self) -> None:
        """Let all streams end, now and from now on: their clients come back to whoever takes over."""
        self._closed = True
        for subscription in tuple(self._streams):
            subscription.leave()

    async def run(self) -> None:
        """Poll until cancelled. A ledger that is away is asked again."""
        await asyncio.gather(self._polls(), self._heartbeats())

    async def _polls(self) -> None:
        while True:
            if not self._subscriptions:
                self._someone.clear()
                await self._someone.wait()
            try:
                await self._poll()
            except Exception as error:
                log.warning("web.subscription", message=f"the ledger does not answer: {error}")
            await asyncio.sleep(self._period)

    async def _heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            for subscription in tuple(self._streams):
                subscription.wake()

    async def _poll(self) -> None:
        snapshots = await asyncio.to_thread(self._ledger.views.snapshots, list(self._subscriptions))
        for job_id, snapshot in snapshots.items():
            for subscription in tuple(self._subscriptions.get(job_id, ())):
                subscription.publish(snapshot)
