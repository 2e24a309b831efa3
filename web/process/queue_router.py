"""Which queue a new job joins: the shared one of the model that the live workers serve."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from observability.logging import get_logger
from tasks.jobs import Lane
from tasks.ledger import Canary, Ledger, WorkerView
from tasks.queue.names import node_queue

log = get_logger()


class QueueRouter:
    """Knows the live workers, a few seconds old at most.

    Args:
        ledger: The ledger, where workers register and the canary is kept.
        default: The queue while no worker has ever been seen.
        period: Seconds between two looks.
    """

    def __init__(self, ledger: Ledger, default: str, period: float = 2.0) -> None:
        self._ledger, self._default, self._period = ledger, default, period
        self.workers: Sequence[WorkerView] = ()
        self.canary: Canary | None = None

    def shared(self, lane: Lane = "stable") -> tuple[Lane, str]:
        """The lane that can be served, and its queue: the one that most live workers of the lane share.

        A canary whose version no live worker serves is no canary: its jobs go to the stable lane.
        """
        served = Counter(
            queue for worker in self.workers if worker.alive for queue in worker.queues if "@" in queue
        )
        canary = {queue: served.pop(queue) for queue in list(served) if self._is_canary(queue)}
        if canary and (lane == "canary" or not served):
            return lane, max(canary, key=lambda queue: canary[queue])
        return "stable", served.most_common(1)[0][0] if served else self._default

    def _is_canary(self, queue: str) -> bool:
        """Whether the queue is of the canary's version. A stopped canary's workers get no job."""
        return self.canary is not None and queue.endswith(f"@{self.canary.version}")

    def preferred(self, node: str | None) -> str | None:
        """The queue of the node that served this session before, if it lives."""
        if node is None or all(worker.node != node for worker in self.workers if worker.alive):
            return None
        return node_queue(node)

    async def refresh(self) -> None:
        """Ask the ledger once."""
        self.workers = await asyncio.to_thread(self._ledger.views.workers)
        self.canary = await asyncio.to_thread(self._ledger.canaries.get)

    async def run(self) -> None:
        """Refresh again and again until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception as error:
                log.warning("web.route", message=f"the ledger does not answer: {error}")
            await asyncio.sleep(self._period)
