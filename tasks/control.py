"""Telling one worker to end a running job at once; its next lease renewal would tell it anyway."""

from __future__ import annotations

from typing import Final

from celery import Celery
from kombu.exceptions import OperationalError

from observability.logging import get_logger

CANCEL: Final = "cancel_job"

log = get_logger()


def cancel_running(app: Celery, worker: str, job_id: str) -> None:
    """Send the word through the broker, to that worker alone: a broadcast would wake every one of them.

    Args:
        app: `tasks.app.app`, or one of `make_app`.
        worker: `Job.worker`.
        job_id: The job, whose cancel flag the ledger has set already.
    """
    try:
        app.control.broadcast(CANCEL, arguments={"job_id": job_id}, destination=[worker])
    except (OperationalError, OSError) as error:
        log.warning("job.cancel_delayed", message=f"the broker is away, the lease will tell: {error}")
