"""Telling one worker to end a running job at once; its next lease renewal would tell it anyway."""

from __future__ import annotations

from functools import cache
from typing import Final

from celery import Celery
from kombu.exceptions import OperationalError

from observability.logging import get_logger
from tasks.app import make_app
from tasks.settings import Settings

CANCEL: Final = "cancel_job"

log = get_logger()


def cancel_running(chosen: Settings, worker: str, job_id: str) -> None:
    """Send the word through the broker, to that worker alone: a broadcast would wake every one of them.

    Args:
        chosen: Which broker.
        worker: `Job.worker`.
        job_id: The job, whose cancel flag the ledger has set already.
    """
    try:
        _app(chosen).control.broadcast(CANCEL, arguments={"job_id": job_id}, destination=[worker])
    except (OperationalError, OSError) as error:
        log.warning("job.cancel_delayed", message=f"the broker is away, the lease will tell: {error}")


@cache
def _app(chosen: Settings) -> Celery:
    return make_app(chosen)
