"""The one place that logs and counts the ends of jobs, for whoever knows of one.

A worker knows how its own runs ended, the web app of songs that were there already; the rest stands in the
ledger, and the dispatcher reads it there. The ledger's counters count the same ends in the transactions that
make them; `counted` gives those under the same labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from observability import metrics
from observability.logging import get_logger
from tasks.jobs import ErrorClass, Job, JobState

log = get_logger()

OUTCOMES = {JobState.SUCCEEDED: "success", JobState.FAILED: "failure", JobState.CANCELLED: "unknown"}
FAILED = "failed."  # and an error class: a counter of the ledger


def log_end(job: Job, *, seconds: float | None = None, made_by: Job | None = None, **fields: Any) -> None:
    """Leave the log line of a job that ended, and count it; once for each end.

    Args:
        job: The job as it ended.
        seconds: That its last run took, where the caller ran it.
        made_by: The job whose audio it was given, where it was given one.
        fields: Of the line's `tutti`, what only the caller knows.
    """
    event: dict[str, Any] = {"outcome": OUTCOMES[job.state]}
    if seconds is not None:
        event["duration"] = round(seconds * 1e9)
    message = job.error.detail if job.error else None
    if job.cache_hit:
        message = f"{job.id} has the audio of an equal request"
    told: dict[str, Any] = {"trace": {"id": job.trace_id}} if job.trace_id else {}
    told |= {"message": message} if message else {}
    ours = job.error is not None and job.error.error_class.ours
    write = log.error if ours else log.info
    # the line before the count: what counts can be looked up
    write(f"job.{job.state}", event=event, tutti=_fields(job, made_by) | fields, **told)
    metrics.jobs.labels(*_labels(job.state, job.error.error_class if job.error else None)).inc()


def _fields(job: Job, made_by: Job | None) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "job": {"id": job.id},
        "attempt": job.attempt,
        "audio": {"seconds": job.request.duration},
        "variations": job.request.variations,
        "lane": job.lane,
    }
    if job.error:
        error_class = job.error.error_class
        fields["error"] = {"class": error_class, "ours": error_class.ours}
    if job.worker:
        fields["gpu"] = {"id": job.worker}
    if job.cache_hit:
        fields["cache"] = {"hit": True, "saved_seconds": _spent(made_by)}
    elif job.state is JobState.SUCCEEDED:
        fields["timings"] = {stage: round(took, 4) for stage, took in job.timings.model_dump().items()}
    return fields


def _spent(made_by: Job | None) -> float:
    """Seconds that a song took whoever made it, without its wait."""
    return round(sum(made_by.timings.model_dump(exclude={"queue"}).values()), 3) if made_by else 0.0


def _labels(state: JobState, error_class: ErrorClass | None) -> tuple[str, str, str]:
    if error_class is None:
        return state, "", ""
    return state, error_class, str(error_class.ours).lower()


def counted(counters: Mapping[str, int]) -> Iterator[tuple[tuple[str, str, str], int]]:
    """The labels and numbers of all ends that a ledger's counters have counted."""
    yield _labels(JobState.SUCCEEDED, None), counters.get(JobState.SUCCEEDED, 0)
    for error_class in ErrorClass:
        number = counters.get(f"{FAILED}{error_class}", 0)
        by_a_person = error_class is ErrorClass.CANCELLED_BY_USER
        if number:
            yield _labels(JobState.CANCELLED if by_a_person else JobState.FAILED, error_class), number
