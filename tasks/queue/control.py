"""Telling one worker to end a running job at once; its next lease renewal would tell it anyway."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from celery import Celery
from kombu.exceptions import OperationalError

from observability.logging import get_logger
from tasks.queue.application import make_app
from tasks.settings import Settings
from tasks.storage.bounded import Bounded

CANCEL: Final = "cancel_job"

PATIENCE: Final = 2.0
ANSWER_SECONDS: Final = 1.0

log = get_logger()
_bounded = Bounded(PATIENCE)


def cancel_running(chosen: Settings, worker: str, job_id: str) -> None:
    """Send the word through the broker, to that worker alone: a broadcast would wake every one of them.

    It waits a moment for a broker that is away or frozen, and no longer.

    Args:
        chosen: Which broker.
        worker: `Job.worker`.
        job_id: The job, whose cancel flag the ledger has set already.
    """
    said = {"arguments": {"job_id": job_id}, "destination": [worker]}
    try:
        # kombu's mailbox tries for ever to reach its broker
        _bounded.call(lambda _: _app(chosen).control.broadcast(CANCEL, **said))
    except (OperationalError, OSError) as error:  # TimeoutError is one
        log.warning("job.cancel_delayed", message=f"the broker is away, the lease will tell: {error}")


def answering(chosen: Settings, workers: Sequence[str]) -> frozenset[str]:
    """Of these workers, those that answer through the broker within a moment; none where it is away."""
    try:
        said = _bounded.call(lambda _: _app(chosen).control.ping(list(workers), timeout=ANSWER_SECONDS))
    except (OperationalError, OSError):
        return frozenset()
    return frozenset(name for answer in said for name in answer)


@cache
def _app(chosen: Settings) -> Celery:
    return make_app(chosen)
