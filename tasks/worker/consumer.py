"""Celery's consumer without what only delayed tasks need."""

from __future__ import annotations

from celery.worker.consumer import Consumer as CeleryConsumer


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """On quorum queues Celery adds 28 queues of its own for delayed tasks; the ledger holds what waits."""

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc]
        """The steps of a start, but for the one that declares those queues."""

        default_steps = tuple(
            step for step in CeleryConsumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")
        )
