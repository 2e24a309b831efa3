"""What the active dispatcher tells of the queues: a line each every 15 seconds, for dashboards and alerts."""

from __future__ import annotations

import time
from collections.abc import Iterable

from observability.logging import get_logger
from tasks.ledger import QueueView

EVERY_SECONDS = 15.0

log = get_logger()


class QueueReport:
    """Logs `queue.state` for every queue that holds something, and once more when it has become empty."""

    def __init__(self) -> None:
        self._at = float("-inf")
        self._told: set[str] = set()

    @property
    def due(self) -> bool:
        """Whether it is time to look at the queues."""
        return time.monotonic() - self._at >= EVERY_SECONDS

    def log_due(self, views: Iterable[QueueView]) -> None:
        """Log them, if it is time to."""
        if not self.due:
            return
        self._at = time.monotonic()
        held = {view.name: view for view in views}
        for name in sorted(self._told | set(held)):
            _line(held.get(name, QueueView(name=name)))
        self._told = set(held)


def _line(view: QueueView) -> None:
    queued = {"depth": view.waiting + view.released, "oldest_seconds": round(view.oldest_seconds, 1)}
    log.info("queue.state", tutti={"queue": view.name, "queued": queued, "worker": {"running": view.running}})
