"""`/release_task`, `/query_result`, `/v1/audio`: ask for music, see how it stands, fetch it."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tasks.jobs import JOB_ID
from tasks.ledger import Accepted
from web.api import views
from web.api.accept import accept, capabilities_of
from web.api.acestep import adapters, body, support
from web.api.acestep.answers import Route, Wrapped, body_of, wrapped
from web.api.acestep.fields import Given, refused
from web.api.acestep.results import result
from web.api.acestep.translate import honoured, translate
from web.api.output import require_link, send
from web.request.auth import gets_links
from web.request.problems import BAD_REQUEST, NOT_FOUND, Problem
from web.request.refusals import refusals
from web.request.state import AppState, app_state

router = APIRouter(tags=["ACE-Step's own API"], route_class=Route)

AT_ONCE = 100  # tasks asked about in one request
WISH = {"prompt": "upbeat pop song", "lyrics": "[Verse]\nla la", "audio_duration": 30, "batch_size": 1}


@router.post("/release_task", response_model=Wrapped, openapi_extra=body_of(WISH, forms=True))
async def release_task(request: Request) -> Response:
    """Ask for music, as ACE-Step's clients do. `extra.notes` says what was left aside or changed."""
    with refusals(request) as lengths:
        given = await body.read(request)
        accepted = await release(request, given, lengths)
    task = {"task_id": accepted.job.id, "status": "queued", "queue_position": accepted.position or 0}
    return wrapped(task, given.notes)


async def release(request: Request, given: Given, lengths: dict[str, int]) -> Accepted:
    """Accept the job that these fields ask for."""
    state = app_state(request)
    queue = _model(given, state)
    wanted = translate(given, tasks=support.tasks_of(queue, state))
    wanted = await adapters.with_choice(request, wanted)
    wanted = honoured(wanted, capabilities_of(state, queue))
    lengths["prompt"] = len(wanted.prompt)
    return await accept(request, wanted)


def _model(given: Given, state: AppState) -> str:
    """The queue of the model that makes the song; another than that is refused by name."""
    queue, name = support.served(state), given.text("model")
    if name and support.find(name, state) != queue:
        here = support.names_of(queue, state.settings)[0]
        raise refused("model", f"{name[:60]!r} does not make songs here; {here} does")
    return queue


@router.post(
    "/query_result",
    response_model=Wrapped,
    openapi_extra=body_of({"task_id_list": [views.EXAMPLE_ID]}, forms=True),
)
async def query_result(request: Request) -> Response:
    """How tasks stand: status 0 is waiting or running, 1 finished, 2 failed."""
    given = await body.read(request)
    state, ids = app_state(request), _ids(_listed(given))
    known = [task_id for task_id in ids if JOB_ID.fullmatch(task_id)]
    looks = await asyncio.gather(*(state.looks.ask(task_id) for task_id in known))
    jobs = {look.job.id: look.job for look in looks if look}
    name = support.names_of(support.served(state), state.settings)[0]
    results = []
    for task_id in ids:
        job = jobs.get(task_id)
        linked = job is not None and await gets_links(request, job)
        results.append(result(task_id, job, state.links.to if linked else views.no_link, name))
    return wrapped(results)


def _listed(given: Given) -> Any:
    """The ids that a client asks about; a body that names none, but something else, has misspelt them."""
    if not given.body.keys() - {"ai_token"}:
        return []
    if "task_id_list" not in given.body and "task_ids" not in given.body:
        raise refused("task_id_list", "is missing; name the ids that /release_task gave")
    return given.body.get("task_id_list", given.body.get("task_ids"))


def _ids(listed: Any) -> list[str]:
    try:
        ids = json.loads(listed) if isinstance(listed, str) else listed
    except (ValueError, RecursionError):
        ids = [listed]
    if not isinstance(ids, list) or len(ids) > AT_ONCE or not all(map(_is_text, ids)):
        raise Problem(BAD_REQUEST, f"task_id_list has to be a list of at most {AT_ONCE} task ids.")
    return ids


def _is_text(item: Any) -> bool:
    """Whether it is text that an answer can repeat: half of a character cannot be written as UTF-8."""
    return isinstance(item, str) and item.isprintable()


@router.head("/v1/audio", include_in_schema=False)
@router.get("/v1/audio", responses={200: {"content": {"audio/mpeg": {}}}})
async def audio(request: Request, path: str) -> Response:
    """The file of a result: the `path` that /query_result gives."""
    place, _, query = path.partition("?")
    root, _, name = place.rpartition("/")
    if root != "/output":
        raise Problem(NOT_FOUND, "There is no such file; take the path from /query_result.")
    require_link(request, place, dict(parse_qsl(query)))
    return await send(request, name)
