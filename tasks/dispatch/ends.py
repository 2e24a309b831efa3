"""The log lines of ends that no worker and no web process tells of: see `tasks.ledger.lifecycle.unlogged`."""

from __future__ import annotations

from typing import Any

from observability.logging import get_logger
from tasks.jobs import Job, JobState
from tasks.ledger import Ledger

log = get_logger()

OUTCOMES = {JobState.SUCCEEDED: "success", JobState.FAILED: "failure", JobState.CANCELLED: "unknown"}


def tell_ends(ledger: Ledger) -> None:
    """Leave a line of each; if this process dies in between some are left twice, none is missing."""
    while jobs := ledger.ends.unlogged():
        for job in jobs:
            _tell(ledger, job)
        ledger.ends.logged([job.id for job in jobs])


def _tell(ledger: Ledger, job: Job) -> None:
    trace = {"id": job.trace_id} if job.trace_id else {}
    write = log.error if job.state is JobState.FAILED else log.info
    detail = job.error.detail if job.error else f"{job.id} has the audio of an equal request"
    event = {"outcome": OUTCOMES[job.state]}
    write(f"job.{job.state}", event=event, trace=trace, tutti=_fields(ledger, job), message=detail)


def _fields(ledger: Ledger, job: Job) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "job": {"id": job.id},
        "attempt": job.attempt,
        "audio": {"seconds": job.request.duration},
        "variations": job.request.variations,
        "lane": job.lane,
    }
    if job.error:
        fields["error"] = {"class": job.error.error_class}
    if job.worker:
        fields["gpu"] = {"id": job.worker}
    if job.cache_hit:
        fields["cache"] = {"hit": True, "saved_seconds": _saved(ledger, job)}
    return fields


def _saved(ledger: Ledger, job: Job) -> float:
    """Seconds that the song took whoever made it."""
    made = ledger.views.get(str(job.extra.get("cache_of")))
    return round(sum(made.timings.model_dump(exclude={"queue"}).values()), 3) if made else 0.0
