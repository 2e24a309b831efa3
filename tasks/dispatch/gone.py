"""Queues of workers that are gone: RabbitMQ keeps each, with its log and members, until it is deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from observability.logging import get_logger
from tasks.ledger import WorkerView
from tasks.queue.names import model_queue, served_by
from tasks.queue.publisher import Publisher

log = get_logger()

GONE_SECONDS: Final = 600.0  # since a worker's last sign of life: it is not being restarted
EVERY_SECONDS: Final = 60.0


class GoneQueues:
    """Deletes what no worker has served for long; where it is wanted again it is declared again.

    Args:
        publisher: The way to the broker.
        now: The time that the ledger goes by.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(self, publisher: Publisher, now: Callable[[], float], clock: Callable[[], float]) -> None:
        self._publisher = publisher
        self._now = now
        self._clock = clock
        self._due_at = float("-inf")
        self._deleted: set[str] = set()

    def delete_due(self, workers: Sequence[WorkerView]) -> None:
        """Delete what is empty and has no consumer, if it is time to look.

        Raises:
            BrokerUnavailable: The next look may find more.
        """
        if self._clock() < self._due_at:
            return
        self._due_at = self._clock() + EVERY_SECONDS
        gone = self._gone(workers)
        self._deleted &= gone
        for name in sorted(gone - self._deleted):
            if self._publisher.delete_unused(name):
                self._deleted.add(name)
                log.info("queue.deleted", tutti={"queue": name}, message="no worker has served it for long")

    def _gone(self, workers: Sequence[WorkerView]) -> set[str]:
        before = self._now() - GONE_SECONDS
        kept = {
            queue for worker in workers if worker.alive or worker.seen_at > before for queue in _of(worker)
        }
        return {queue for worker in workers for queue in _of(worker)} - kept


def _of(worker: WorkerView) -> tuple[str, ...]:
    """What a worker of that name serves; the ledger forgets it when the worker leaves."""
    device, _, node = worker.id.partition("@")
    return served_by(
        node, int(device.removeprefix("gpu") or 0), model_queue(worker.engine, worker.model_version)
    )
