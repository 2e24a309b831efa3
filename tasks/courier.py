"""Tells those who gave a `callback_url` that their job ended, beside the work and never in its way.

What waits here is lost with the process: a callback saves asking, the ledger stays the record.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from observability.logging import get_logger
from tasks.callbacks import deliver
from tasks.jobs import Job
from tasks.ledger import Ledger, LedgerError

log = get_logger()

THREADS: Final = 4  # receivers that answer slowly at the same time; the others wait
WAITING_MAX: Final = 10_000


class Courier:
    """A few threads that deliver, oldest first."""

    def __init__(
        self, ledger: Ledger, base_url: str, send: Callable[[str, dict[str, Any]], bool] = deliver
    ) -> None:
        self._ledger = ledger
        self._base_url = base_url
        self._send = send
        self._waiting: queue.Queue[str] = queue.Queue(WAITING_MAX)
        self._started = threading.Lock()

    def ended(self, job: Job) -> None:
        """Note that a job ended; does nothing where nobody wants to hear of it."""
        if job.request.callback_url is None:
            return
        if self._started.acquire(blocking=False):
            for number in range(THREADS):
                threading.Thread(target=self._run, name=f"courier-{number}", daemon=True).start()
        try:
            self._waiting.put_nowait(job.id)
        except queue.Full:
            log.warning("callback.dropped", tutti={"job": {"id": job.id}}, message="too many callbacks wait")

    def close(self, patience: float) -> None:
        """Wait so long for what is still to be delivered."""
        until = time.monotonic() + patience
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.05)

    def _run(self) -> None:
        while True:
            job_id = self._waiting.get()
            try:
                self._deliver(job_id)
            except LedgerError as error:
                log.warning("callback.failed", tutti={"job": {"id": job_id}}, message=str(error))
            except Exception:
                log.exception("callback.failed", tutti={"job": {"id": job_id}}, message="not delivered")
            finally:
                self._waiting.task_done()

    def _deliver(self, job_id: str) -> None:
        job = self._ledger.get(job_id)
        if job is None or job.request.callback_url is None:
            return
        if self._send(job.request.callback_url, self._document(job)):
            log.info("callback.delivered", tutti={"job": {"id": job_id}})
        else:
            log.warning(
                "callback.failed", tutti={"job": {"id": job_id}}, message="the receiver did not take it"
            )

    def _document(self, job: Job) -> dict[str, Any]:
        """What is posted: the parts of `GET /v1/jobs/{id}` that say how it ended."""
        known = job.model_dump(
            mode="json", by_alias=True, include={"id", "state", "error", "timings", "finished_at"}
        )
        outputs = [
            output.model_dump() | {"url": f"{self._base_url}/output/{output.name}"} for output in job.outputs
        ]
        return known | {"outputs": outputs, "trace_id": job.trace_id}
