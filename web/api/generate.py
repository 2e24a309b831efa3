"""`POST /generate`: ask and wait; the answer is the song's address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from tasks.jobs import ErrorClass, Job, JobState
from web.api import views
from web.api.jobs import BODY_OF_A_JOB, answer, find, submit
from web.request.problems import JOB_FAILED, TIMEOUT, Problem
from web.request.state import AppState, app_state

router = APIRouter(tags=["seed-compatible"])

MARGIN = 60.0  # seconds beyond the longest run, for the queue


class Generated(BaseModel):
    """The finished song."""

    id: str
    status: str = Field(examples=["succeeded"])
    url: str = Field(description="The first song's address.", examples=[f"/output/{views.EXAMPLE_ID}.wav"])
    urls: list[str] = Field(description="All variations' addresses.")
    seconds: float
    trace_id: str | None


@router.post("/generate", response_model=Generated, openapi_extra=BODY_OF_A_JOB)
async def generate(request: Request) -> Response:
    """Ask for music and wait until it is finished. The job goes on if the connection breaks."""
    state, accepted = app_state(request), await submit(request)
    job_id = accepted.job.id
    await end_of(state, job_id)
    job = await find(request, job_id)
    if job.state is not JobState.SUCCEEDED:
        raise failed(state, job)
    return answer(_generated(job, state.public.origin, state.link), headers=_location(state, job_id))


async def end_of(state: AppState, job_id: str) -> None:
    """Wait for the job's end.

    Raises:
        Problem: 504 where it takes longer than a job may run.
    """
    try:
        async with asyncio.timeout(state.settings.deadline_seconds + MARGIN):
            with state.watcher.subscribe(job_id) as subscription:
                async for _ in subscription.changes():
                    pass
    except TimeoutError as error:
        detail = "The song is not finished yet; it goes on. Ask for the job by its id."
        raise Problem(TIMEOUT, detail, headers=_location(state, job_id), job_id=job_id) from error


def _location(state: AppState, job_id: str) -> dict[str, str]:
    return {"location": state.public.path(f"/v1/jobs/{job_id}")}


def failed(state: AppState, job: Job) -> Problem:
    """The problem of a job that made no song."""
    failure = job.error
    name = failure.error_class if failure else ErrorClass.CANCELLED_BY_USER
    detail = failure.detail if failure else "The job was cancelled."
    return Problem(JOB_FAILED, detail, headers=_location(state, job.id), job_id=job.id, error_class=name)


def _generated(job: Job, base: str, link: Callable[[str], str]) -> dict[str, Any]:
    songs = [item for item in views.outputs(job, link) if item["format"] != "mid"]
    return {
        "id": job.id,
        "status": job.state,
        "url": base + songs[0]["url"],
        "urls": [base + item["url"] for item in songs],
        "seconds": songs[0]["seconds"],
        "trace_id": job.trace_id,
    }
