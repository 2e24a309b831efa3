"""`/v1/jobs`: ask for music, look at it, listen to its progress, cancel it, try it again."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from tasks.jobs import JOB_ID, Job, JobRequest, JobState
from tasks.ledger import Accepted, JobStatus
from tasks.settings import Settings
from web.api import events, views
from web.api.accept import accept
from web.request import body, lane, words
from web.request.auth import gets_links, identify
from web.request.conditional import unchanged
from web.request.problems import FORBIDDEN, INVALID, UNKNOWN_JOB, WRONG_STATE, Problem
from web.request.refusals import refusals
from web.request.session import refuse_foreign_site
from web.request.state import AppState, app_state

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

EXAMPLES = {
    "a prompt": {"value": {"prompt": "A calm lo-fi beat with soft piano, 80 bpm"}},
    "a song": {
        "value": {
            "prompt": "Bossa nova with nylon guitar and brushes, warm and slow",
            "duration": 90,
            "key_scale": "D minor",
            "seed": 7,
            "variations": 2,
            "format": "flac",
        }
    },
}
BODY_OF_A_JOB = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/JobRequest"}, "examples": EXAMPLES}
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Sent again with the same body, it names the same job.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    ],
}


NOT_KEPT = {"cache-control": "no-store"}


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer that nobody may cache."""
    known = NOT_KEPT | (headers or {})
    return Response(orjson.dumps(content), status, known, media_type="application/json")


def parse(raw: bytes) -> JobRequest:
    """The job that a JSON body asks for. Types are not guessed: "60" is not 60.

    Raises:
        Problem: 400 or 422.
    """
    try:
        wanted = JobRequest.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise words.problem_of(error) from error
    if raw.count(b":") > len(wanted.model_fields_set):  # else no name can stand twice: each has its colon
        json.loads(raw, object_pairs_hook=_each_once)
    if "duration" in wanted.model_fields_set and (wanted.source_audio or wanted.audio_codes):
        detail = "is not honoured beside source_audio or audio_codes, which set the length; leave it out"
        raise Problem(INVALID, f"duration {detail}.", errors=[{"field": "duration", "detail": detail}])
    return wanted


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    """Refuse a name that stands twice: readers of JSON do not agree which of its values counts.

    Raises:
        Problem: 422.
    """
    names = [name for name, _ in pairs]
    if len(names) > len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise Problem(
            INVALID, f"{twice} is given twice.", errors=[{"field": twice, "detail": "is given twice"}]
        )


async def submit(request: Request) -> Accepted:
    """Read, check and accept the job in a request's JSON body."""
    with refusals(request) as lengths:
        refuse_foreign_site(request)
        raw = await body.read_json(request)
        wanted = parse(raw)
        lengths["prompt"] = len(wanted.prompt)
        return await accept(request, wanted, raw)


@router.post("", status_code=202, response_model=views.AcceptedView, openapi_extra=BODY_OF_A_JOB)
async def create(request: Request) -> Response:
    """Ask for music. The answer 202 means that the job is on disk and will not be lost."""
    accepted = await submit(request)
    public = app_state(request).public
    headers = {"location": public.path(f"/v1/jobs/{accepted.job.id}")}
    if not accepted.created:
        headers["idempotency-replayed"] = "true"
    return answer(views.of_accepted(accepted, public.prefix), 202, headers)


@router.get("", response_model=views.PageView)
async def index(
    request: Request,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the page before.")
    ] = None,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """Your jobs, newest first: your key's, your session's or your address's."""
    app, owner = app_state(request), await identify(request)
    if cursor is not None and not JOB_ID.fullmatch(cursor):
        raise Problem(INVALID, "cursor is not one of ours; begin again without it.")
    page = await asyncio.to_thread(
        app.ledger.views.page, owner=owner.id, state=state, cursor=cursor, limit=limit
    )
    found = [views.of_job(job, link=app.link, prefix=app.public.prefix) for job in page.jobs]
    return answer({"jobs": found, "next_cursor": page.next_cursor})


@router.get("/{job_id}", response_model=views.JobView, responses={304: {"description": "As before."}})
async def show(request: Request, job_id: str) -> Response:
    """One job. Whoever knows its id may see it; who repeats the ETag is told when nothing is new."""
    state = app_state(request)
    shown = state.ended.get(job_id)
    if shown is None:
        found = await read_job(request, job_id)
        shown = views.show(state, found, linked=await gets_links(request, found.job))
    headers = {"cache-control": "private, no-cache", "etag": shown.etag} | _same_node(state, shown.worker)
    if unchanged(request, shown.etag):
        return Response(status_code=304, headers=headers)
    return Response(shown.body, 200, headers, media_type="application/json")


def _same_node(state: AppState, name: str | None) -> dict[str, str]:
    """What sends the client's next jobs to the node that made this one, whose model is warm."""
    node = next((worker.node for worker in state.route.workers if worker.id == name), None) if name else None
    return {lane.TOKEN: lane.token(node, state.signer)} if node else {}


@router.get(
    "/{job_id}/events",
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Server-sent events until it ends."}
    },
)
async def follow(request: Request, job_id: str) -> Response:
    """Progress as server-sent events: `queued`, `running`; last `succeeded`, `failed` or `cancelled`."""
    found = await read_job(request, job_id)
    seen = request.headers.get("last-event-id")
    if found.job.state.final and seen == events.LAST:
        return Response(status_code=204)  # tells an EventSource that reconnects to stop
    linked = await gets_links(request, found.job)
    return events.EventStream(app_state(request), found, seen, linked=linked)


@router.post("/{job_id}/cancel", response_model=views.JobView)
async def cancel(request: Request, job_id: str) -> Response:
    """Cancel a job: at once while it waits, within one step while it runs."""
    await cancel_job(request, job_id)
    shown = views.show(app_state(request), await read_job(request, job_id))
    return Response(shown.body, 200, NOT_KEPT, media_type="application/json")


@router.post("/{job_id}/retry", status_code=202, response_model=views.AcceptedView)
async def retry(request: Request, job_id: str) -> Response:
    """Ask again for what a failed or cancelled job asked for; it is a new job."""
    accepted = await retry_job(request, job_id)
    public = app_state(request).public
    headers = {"location": public.path(f"/v1/jobs/{accepted.job.id}")}
    return answer(views.of_accepted(accepted, public.prefix), 202, headers)


async def read_job(request: Request, job_id: str) -> JobStatus:
    """All about the job of that id.

    Raises:
        Problem: 404.
    """
    found = await app_state(request).looks.ask(job_id) if JOB_ID.fullmatch(job_id) else None
    if found is None:
        raise _unknown()
    return found


async def find(request: Request, job_id: str) -> Job:
    """The job of that id.

    Raises:
        Problem: 404.
    """
    return (await read_job(request, job_id)).job


def _unknown() -> Problem:
    return Problem(UNKNOWN_JOB, "There is no job of this id. It may be misspelt, or it has expired.")


async def cancel_job(request: Request, job_id: str) -> Job:
    """Cancel, if it is theirs and not finished.

    Raises:
        Problem: 403, 404 or 409.
    """
    job = await _own(request, job_id)
    if job.state in {JobState.SUCCEEDED, JobState.FAILED}:
        raise Problem(WRONG_STATE, f"The job has {job.state} already; there is nothing to cancel.")
    state = app_state(request)
    cancelled = await asyncio.to_thread(state.ledger.submissions.cancel, job_id)
    if cancelled.state is JobState.RUNNING and cancelled.worker:
        await asyncio.to_thread(_tell_worker, state.settings, cancelled.worker, job_id)
    return cancelled


def _tell_worker(settings: Settings, worker: str, job_id: str) -> None:
    from tasks.queue.control import cancel_running  # Celery is loaded by the first cancel, not by every start

    cancel_running(settings, worker, job_id)


async def retry_job(request: Request, job_id: str) -> Accepted:
    """Make a new job of a failed or cancelled one.

    Raises:
        Problem: 403, 404, 409 or 429.
    """
    with refusals(request):
        job = await _own(request, job_id)
        if job.state not in {JobState.FAILED, JobState.CANCELLED}:
            raise Problem(
                WRONG_STATE, f"The job is {job.state}; only failed or cancelled ones are tried again."
            )
        return await accept(request, job.request)


async def _own(request: Request, job_id: str) -> Job:
    refuse_foreign_site(request)
    job = await find(request, job_id)
    if not (await identify(request)).owns(job):
        raise Problem(FORBIDDEN, "This job belongs to someone else.")
    return job
