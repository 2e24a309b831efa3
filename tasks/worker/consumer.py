"""Celery's consumer: it takes messages only while the worker can work, and has nothing for delayed tasks."""

from __future__ import annotations

from typing import Any, Final

from celery.bootsteps import StartStopStep
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.consumer.tasks import Tasks

from observability.logging import get_logger

log = get_logger()

LOOK_SECONDS: Final = 0.25


class Intake(StartStopStep):  # type: ignore[misc]
    """Stops taking messages while something stands in the way of every job, and begins again after it.

    Else a worker that cannot reach the ledger or the storage would take one message after the other and keep
    each for a while, and those that could work would find nothing. What it has taken and not begun goes back:
    see `tasks.worker.service`.
    """

    requires = (Tasks,)

    def __init__(self, consumer: Any, **options: Any) -> None:
        self._taking = True
        self._entry: Any = None
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        """The broker is there; Celery takes messages as soon as all its steps have begun."""
        self._taking = True
        consumer.app.tutti_host.admission.broker(works=True)
        self._entry = consumer.timer.call_repeatedly(LOOK_SECONDS, self._look, (consumer,))

    def stop(self, consumer: Any) -> None:
        """The broker is lost, or this is the end."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
        consumer.app.tutti_host.admission.broker(works=False)

    def _look(self, consumer: Any) -> None:
        """Runs in the loop that takes the messages: nobody else may speak with the broker by its channel."""
        obstacle = consumer.app.tutti_host.admission.obstacle
        if (obstacle is None) is self._taking:
            return
        self._taking = obstacle is None
        if obstacle is None:
            consumer.task_consumer.consume()
            log.info("worker.takes_again", message="nothing stands in the way of jobs any more")
        else:
            consumer.task_consumer.cancel()
            log.warning("worker.takes_nothing", tutti={"reason": obstacle}, message=f"no jobs: {obstacle}")


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """On quorum queues Celery adds 28 queues of its own for delayed tasks; the ledger holds what waits."""

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc]
        """The steps of a start, but for the one that declares those queues."""

        default_steps = (
            *(
                step
                for step in CeleryConsumer.Blueprint.default_steps
                if not step.endswith(":DelayedDelivery")
            ),
            f"{__name__}:Intake",
        )
