"""One poller a process: it asks the ledger about all watched jobs at once and wakes whom it concerns."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from observability.logging import get_logger
from tasks.ledger import Ledger, Snapshot

log = get_logger()


class Watch:
    """One listener to one job. It keeps only the newest snapshot, so that slow readers cost no memory."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.latest: Snapshot | None = None
        self._changed = asyncio.Event()

    def tell(self, snapshot: Snapshot) -> None:
        """Keep the snapshot and wake the listener if it says anything new."""
        if snapshot != self.latest:
            self.latest = snapshot
            self._changed.set()

    async def changes(self) -> AsyncIterator[Snapshot]:
        """Each new snapshot, the last one final; what came while the reader was busy is skipped."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            assert self.latest is not None  # noqa: S101
            yield self.latest
            if self.latest.state.final:
                return


class Watcher:
    """Polls the ledger while anybody listens.

    Args:
        ledger: the ledger.
        period: seconds between two polls; the ledger's snapshots of a queue are of one second anyway.
    """

    def __init__(self, ledger: Ledger, period: float = 0.4) -> None:
        self._ledger, self._period = ledger, period
        self._watches: dict[str, set[Watch]] = defaultdict(set)
        self._someone = asyncio.Event()

    @property
    def watched(self) -> int:
        """How many listeners there are."""
        return sum(len(group) for group in self._watches.values())

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watch]:
        """Listen to one job."""
        watch = Watch(job_id)
        self._watches[job_id].add(watch)
        self._someone.set()
        try:
            yield watch
        finally:
            group = self._watches[job_id]
            group.discard(watch)
            if not group:
                del self._watches[job_id]

    async def run(self) -> None:
        """Poll until cancelled. A ledger that is away is asked again."""
        while True:
            if not self._watches:
                self._someone.clear()
                await self._someone.wait()
            try:
                await self._poll()
            except Exception as error:
                log.warning("web.watch", message=f"the ledger does not answer: {error}")
            await asyncio.sleep(self._period)

    async def _poll(self) -> None:
        snapshots = await asyncio.to_thread(self._ledger.watch, list(self._watches))
        for job_id, snapshot in snapshots.items():
            for watch in tuple(self._watches.get(job_id, ())):
                watch.tell(snapshot)
