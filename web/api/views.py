"""How jobs look to those who ask: the models of the answers, and how they are made."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from tasks.jobs import Failure, Job, JobRequest, JobState, Lane, Timings
from tasks.ledger import Accepted, JobStatus, Snapshot
from web.process.ended import Shown
from web.request.state import AppState

Link = Callable[[str], str | None]

VARIATION = re.compile(r"-(\d)\.\w+$")
SHOWN = {
    "id", "state", "attempt", "progress", "stage", "request", "timings", "error", "lane", "cache_hit",
    "created_at", "started_at", "finished_at",
}  # fmt: skip
EXAMPLE_ID = "a_01kav3f6y8q2m4n6p8r0s2t4v6"


class Links(BaseModel):
    """Where the job's other things are."""

    self: str
    events: str
    cancel: str
    retry: str
    page: str


class OutputView(BaseModel):
    """One finished file."""

    url: str | None = Field(
        description="Null where links are signed and the job is another's.",
        examples=[f"/output/{EXAMPLE_ID}.wav"],
    )
    name: str
    format: str
    seconds: float
    bytes: int
    sha256: str
    seed: int | None = None
    variation: int = 1
    notes: list[str] = Field(default_factory=list, description="What was shortened to make it, if anything.")


class AcceptedView(BaseModel):
    """The answer to a new job: it is in the ledger and will end in exactly one final state."""

    id: str
    state: JobState
    position: int | None = Field(None, description="Place in the queue, from 1.")
    eta_seconds: float | None = Field(None, description="Seconds until it is probably finished.")
    trace_id: str | None = None
    links: Links

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": EXAMPLE_ID, "state": "queued", "position": 1, "eta_seconds": 9.5}]
        }
    )


class JobView(AcceptedView):
    """One job and all that is known of it."""

    attempt: int
    progress: float = Field(description="Share done of the running attempt, 0..1.")
    stage: str | None = None
    request: JobRequest
    outputs: list[OutputView]
    timings: Timings
    error: Failure | None = None
    lane: Lane = "stable"
    cache_hit: bool = False
    created_at: dt.datetime
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None


class PageView(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobView]
    next_cursor: str | None = Field(None, description="Pass it as `cursor` for the next page.")


def links(job_id: str, prefix: str = "") -> dict[str, str]:
    """The addresses of a job's other things, below the public URL's prefix."""
    root = f"{prefix}/v1/jobs/{job_id}"
    return {
        "self": root,
        "events": f"{root}/events",
        "cancel": f"{root}/cancel",
        "retry": f"{root}/retry",
        "page": f"{prefix}/songs/{job_id}",
    }


def _plain(name: str) -> str:
    return f"/output/{name}"


def no_link(_name: str) -> None:
    """No address: for whoever may look at a job but is given no links to its songs."""


def outputs(job: Job, link: Link = _plain) -> list[dict[str, Any]]:
    """The job's finished files with their addresses, which `link` makes of their names."""
    return [
        output.model_dump() | {"url": link(output.name), "variation": _variation(output.name)}
        for output in job.named_outputs
    ]


def _variation(name: str) -> int:
    match = VARIATION.search(name)
    return int(match[1]) if match else 1


def of_accepted(accepted: Accepted, prefix: str = "") -> dict[str, Any]:
    """The answer 202."""
    job = accepted.job
    return {
        "id": job.id,
        "state": job.state,
        "position": accepted.position,
        "eta_seconds": None,
        "trace_id": job.trace_id,
        "links": links(job.id, prefix),
    }


def of_job(
    job: Job, snapshot: Snapshot | None = None, link: Link = _plain, prefix: str = ""
) -> dict[str, Any]:
    """Everything about a job that its id opens; `snapshot` adds its place in the queue.

    Where it calls back to is not shown: the address may hold a token, and an id is no secret.
    """
    known = job.model_dump(mode="json", by_alias=True, include=SHOWN)
    known["request"]["callback_url"] = None
    return known | {
        "position": snapshot.position if snapshot else None,
        "eta_seconds": snapshot.eta_seconds if snapshot else None,
        "outputs": outputs(job, link),
        "trace_id": job.trace_id,
        "links": links(job.id, prefix),
    }


def show(state: AppState, look: JobStatus, *, linked: bool = True) -> Shown:
    """What is shown of a job, with its place in the queue if it waits; kept where it has ended.

    Args:
        state: The process's state.
        look: The job now.
        linked: Whether whoever asks is given links to its songs.
    """
    job = look.job
    link = state.link if linked else no_link
    view = of_job(job, None if job.state.final else look.snapshot, link, state.public.prefix)
    shown = Shown(orjson.dumps(view), job.state, job.worker)
    if job.state.final and not state.links.are_signed:  # else not everyone sees the same
        state.ended.keep(job.id, shown)
    return shown
