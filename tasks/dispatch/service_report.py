"""What the active dispatcher tells of the whole service once a minute, so that alerts need only compare.

Shares, medians and ages are worked out here, from the ledger: a rule in Kibana is then a plain query that any
Elasticsearch answers, and what it compares can be read in the log files too.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from observability.logging import get_logger
from tasks.ledger import EndedJob, Ledger, WorkerView

EVERY_SECONDS = 60.0
HOUR, RECENT = 3600.0, 300.0
LEAST_JOBS = 10  # of a GPU in the hour, before its pace is compared with the others'

log = get_logger()


class ServiceReport:
    """Logs `service.state`, and of GPUs, the canary and silent workers where there is something to say."""

    def __init__(self) -> None:
        self._at = float("-inf")
        self._silent: dict[str, float] = {}

    def note(self, workers: Iterable[WorkerView]) -> None:
        """Remember who fell silent without having left, and who is back.

        Args:
            workers: As the ledger has them before it takes the silent ones for dead.
        """
        for worker in workers:
            if worker.alive:
                self._silent.pop(worker.id, None)
            elif worker.overdue:
                self._silent[worker.id] = worker.seen_at
                _silent(worker.id, 0.0, "a worker fell silent; its jobs go to others")

    def log_due(self, ledger: Ledger) -> None:
        """Log how things stand, if it is time to."""
        if time.monotonic() - self._at < EVERY_SECONDS:
            return
        self._at = time.monotonic()
        now, ended = ledger.now(), ledger.views.ended(HOUR)
        _service(now, ended, *ledger.views.still_open())
        _gpus(ended)
        _canary(ended)
        self._log_silent(now)

    def _log_silent(self, now: float) -> None:
        self._silent = {name: seen for name, seen in self._silent.items() if now - seen < HOUR}
        for name, seen in self._silent.items():
            _silent(name, now - seen, "a worker has been silent; it did not say that it left")


def _service(now: float, ended: Sequence[EndedJob], number: int, oldest: float) -> None:
    recent = [job for job in ended if job.finished_at >= now - RECENT]
    state = {
        "open": {"jobs": number, "oldest_seconds": round(oldest, 1)},
        "hour": failed_share(ended),
        "recent": failed_share(recent),
    }
    log.info("service.state", tutti={"service": state})


def failed_share(jobs: Iterable[EndedJob]) -> dict[str, Any]:
    """Count jobs and failures, people's own left out; the share is 0 where nothing ended."""
    counted = [job.failed for job in jobs if job.error_class is None or job.error_class.ours]
    failed = sum(counted)
    return {"ended": len(counted), "failed": failed, "failed_share": failed / max(1, len(counted))}


def _gpus(ended: Iterable[EndedJob]) -> None:
    made = defaultdict(list)
    for job in ended:
        if job.run_seconds is not None and job.worker:
            made[job.worker].append((job.run_seconds, job.audio_seconds))
    paces = {
        gpu: (len(jobs), sum(run for run, _ in jobs) / sum(audio for _, audio in jobs))
        for gpu, jobs in made.items()
        if len(jobs) >= LEAST_JOBS
    }
    middle = statistics.median(cost for _, cost in paces.values()) if paces else 0.0
    for gpu, (number, cost) in sorted(paces.items()):
        pace = {"jobs": number, "cost": cost, "times_median": cost / middle if middle else 1.0}
        log.info("gpu.state", tutti={"gpu": {"id": gpu, "pace": pace}})


def _canary(ended: Sequence[EndedJob]) -> None:
    canary = failed_share(job for job in ended if job.lane == "canary")
    if not canary["ended"]:
        return
    stable = failed_share(job for job in ended if job.lane == "stable")
    more = canary["failed_share"] - stable["failed_share"]
    told = {**canary, "stable": stable, "failed_more": more}
    log.info("canary.state", tutti={"lane": "canary", "canary": told})


def _silent(name: str, seconds: float, message: str) -> None:
    worker = {"id": name, "silent_seconds": round(seconds, 1)}
    log.warning("worker.silent", tutti={"gpu": {"id": name}, "worker": worker}, message=message)
