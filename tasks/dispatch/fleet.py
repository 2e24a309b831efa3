"""The workers as the dispatcher sees them, and what it concludes from who has been there for how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tasks.ledger import WorkerView

ORPHANED_SECONDS = 30.0  # then a model version without workers gives its jobs to another version


class Fleet:
    """The workers as they were last seen: who serves what, and since when a slot was free without a pause.

    Args:
        workers: All that the ledger knows.
        now: Seconds of a clock that never goes back.
    """

    def __init__(self, workers: Sequence[WorkerView] = (), now: float = 0.0) -> None:
        self._slots: Counter[str] = Counter()
        self._idle_since: dict[str, float] = {}
        self._unserved_since: dict[str, float] = {}
        self._now = now
        for worker in workers:
            if worker.alive:
                self._add(worker)

    def _add(self, worker: WorkerView) -> None:
        for queue in worker.queues:
            self._slots[queue] += worker.slots
            if worker.running < worker.slots:
                self._idle_since[queue] = self._now

    def next(self, workers: Sequence[WorkerView], now: float) -> Fleet:
        """The fleet as it is now, with what is known of its past."""
        fresh = Fleet(workers, now)
        for queue in fresh._idle_since:
            fresh._idle_since[queue] = self._idle_since.get(queue, now)
        fresh._unserved_since = self._unserved_since
        return fresh

    def slots(self, queue: str) -> int:
        """How many jobs the workers of a queue run at once."""
        return self._slots[queue]

    def idle_seconds(self, queue: str) -> float:
        """For how long a worker of the queue has had room."""
        return self._now - self._idle_since.get(queue, self._now)

    def orphaned(self, queues: Sequence[str]) -> list[tuple[str, str]]:
        """The model queues nobody has served for long, each with a served one of the same model."""
        unserved = [queue for queue in queues if not self._slots[queue]]
        self._unserved_since = {queue: self._unserved_since.get(queue, self._now) for queue in unserved}
        pairs = []
        for queue in unserved:
            other = self._same_model(queue)
            if other and self._now - self._unserved_since[queue] >= ORPHANED_SECONDS:
                pairs.append((queue, other))
        return pairs

    def _same_model(self, queue: str) -> str | None:
        prefix = queue.split("@", 1)[0] + "@"
        return max((name for name in self._slots if name.startswith(prefix)), default=None)
