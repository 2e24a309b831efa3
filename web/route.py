"""Which queue a new job joins: the shared one of the model that the live workers serve."""

from __future__ import annotations

import asyncio
from collections import Counter

from observability.logging import get_logger
from tasks.jobs import Lane
from tasks.ledger import Ledger, WorkerView
from tasks.queues import node_queue

log = get_logger()


class Route:
    """Knows the live workers, a few seconds old at most.

    Args:
        ledger: the ledger, where workers register.
        default: the queue while no worker has ever been seen.
        period: seconds between two looks.
    """

    def __init__(self, ledger: Ledger, default: str, period: float = 2.0) -> None:
        self._ledger, self._default, self._period = ledger, default, period
        self.workers: list[WorkerView] = []

    def shared(self, lane: Lane = "stable") -> str:
        """The queue that most live workers share; the canary's is the newest version of the same engine."""
        found = Counter(
            queue for worker in self.workers if worker.alive for queue in worker.queues if "@" in queue
        )
        if not found:
            return self._default
        return found.most_common(1)[0][0] if lane == "stable" else max(found)

    def preferred(self, node: str | None) -> str | None:
        """The queue of the node that served this session before, if it lives."""
        alive = {worker.node for worker in self.workers if worker.alive}
        return node_queue(node) if node is not None and node in alive else None

    async def look(self) -> None:
        """Ask the ledger once."""
        self.workers = await asyncio.to_thread(self._ledger.workers)

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:
                log.warning("web.route", message=f"the ledger does not answer: {error}")
            await asyncio.sleep(self._period)
