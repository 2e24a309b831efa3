"""ACE-Step 1.5's own HTTP API, for clients that already speak it.

`/release_task`, `/query_result`, `/v1/audio`, `/v1/models` and `/v1/stats` as its documentation gives them
(https://github.com/ace-step/ACE-Step-1.5, docs/en/API.md). What needs its language model (`thinking`,
`sample_mode`, `use_format`, `/format_input`) is taken and left aside; server paths of audio are refused.
Errors are problem documents; they carry `detail`, which those clients read.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from tasks.engines.capabilities import Capabilities
from tasks.jobs import JOB_ID, Job, JobRequest, JobState
from web.api import views
from web.api.accept import accept
from web.api.jobs import answer
from web.api.output import require_link, send
from web.request import body, words
from web.request.auth import gets_links
from web.request.problems import BAD_REQUEST, INVALID, INVALID_JSON, NOT_FOUND, Problem
from web.request.refusals import refusals
from web.request.session import refuse_foreign_site
from web.request.state import app_state

router = APIRouter(tags=["ACE-Step's own API"])

STATUS = {
    JobState.QUEUED: 0,
    JobState.RUNNING: 0,
    JobState.SUCCEEDED: 1,
    JobState.FAILED: 2,
    JobState.CANCELLED: 2,
}
NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "caption", "sample_query", "sampleQuery", "description", "desc"),
    "lyrics": ("lyrics",),
    "duration": ("audio_duration", "duration", "audioDuration", "target_duration"),
    "bpm": ("bpm",),
    "key_scale": ("key_scale", "keyscale", "keyScale"),
    "time_signature": ("time_signature", "timesignature", "timeSignature"),
    "vocal_language": ("vocal_language", "vocalLanguage", "language"),
    "steps": ("inference_steps", "inferenceSteps"),
    "guidance_scale": ("guidance_scale", "guidanceScale"),
    "shift": ("shift",),
    "seed": ("seed",),
    "variations": ("batch_size", "batchSize"),
    "format": ("audio_format", "audioFormat"),
    "task_type": ("task_type", "taskType"),
}
NESTED = ("metas", "metadata", "user_metadata")
PATHS = ("reference_audio_path", "src_audio_path")
THEIR_DEFAULTS = {"variations": 2, "format": "mp3"}
UNCHOSEN = {"steps": 8, "guidance_scale": 7.0, "shift": 3.0, "vocal_language": "en"}
"""What their clients send where nobody chose anything; left out where the engine here has no such field."""
METRES = {"2": "2/4", "3": "3/4", "4": "4/4", "6": "6/8"}
SHORT_KEY = re.compile(r"^([A-G][#b]?)(m?)$")
AT_ONCE = 100  # tasks asked about in one request


class Wrapped(BaseModel):
    """Their envelope around every answer."""

    data: Any
    code: int = 200
    error: str | None = None
    timestamp: int
    extra: Any = None


def wrapped(data: Any) -> Response:
    """An answer in their envelope; the time is in milliseconds."""
    return answer(
        {"data": data, "code": 200, "error": None, "timestamp": time.time_ns() // 10**6, "extra": None}
    )


def _body_of(example: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": {"type": "object"}, "examples": {"simple": {"value": example}}}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


@router.post("/release_task", response_model=Wrapped, openapi_extra=_body_of({"prompt": "upbeat pop song"}))
async def release_task(request: Request) -> Response:
    """Ask for music, as ACE-Step's clients do."""
    with refusals(request) as lengths:
        refuse_foreign_site(request)
        wanted = translate(await _fields(request))
        lengths["prompt"] = len(wanted.prompt)
        accepted = await accept(request, without_unchosen(wanted, app_state(request).model.capabilities))
    return wrapped({"task_id": accepted.job.id, "status": "queued", "queue_position": accepted.position or 0})


@router.post(
    "/query_result", response_model=Wrapped, openapi_extra=_body_of({"task_id_list": [views.EXAMPLE_ID]})
)
async def query_result(request: Request) -> Response:
    """How tasks stand: status 0 is waiting or running, 1 finished, 2 failed."""
    refuse_foreign_site(request)
    listed = (await _fields(request)).get("task_id_list", [])
    try:
        ids = orjson.loads(listed) if isinstance(listed, str) else listed
    except orjson.JSONDecodeError:
        ids = None
    if not isinstance(ids, list) or len(ids) > AT_ONCE or not all(isinstance(item, str) for item in ids):
        raise Problem(BAD_REQUEST, f"task_id_list has to be a list of at most {AT_ONCE} task ids.")
    state = app_state(request)
    known = [task_id for task_id in ids if JOB_ID.fullmatch(task_id)]
    looks = await asyncio.gather(*(state.looks.ask(task_id) for task_id in known))
    jobs = {look.job.id: look.job for look in looks if look}
    results = []
    for task_id in ids:
        job = jobs.get(task_id)
        linked = job is not None and await gets_links(request, job)
        results.append(_result(task_id, job, state.links.to if linked else views.no_link))
    return wrapped(results)


@router.get("/v1/audio", responses={200: {"content": {"audio/mpeg": {}}}})
async def audio(request: Request, path: str) -> Response:
    """The file of a result."""
    place, _, query = path.partition("?")
    root, _, name = place.rpartition("/")
    if root != "/output":
        raise Problem(NOT_FOUND, "There is no such file; take the path from /query_result.")
    require_link(request, place, dict(parse_qsl(query)))
    return await send(request, name)


@router.get("/v1/models", response_model=Wrapped)
async def models(request: Request) -> Response:
    """What the live workers serve."""
    route = app_state(request).route
    default = route.shared()[1]
    names = sorted({default} | {queue for worker in route.workers for queue in worker.queues if "@" in queue})
    known = [{"name": name, "is_default": name == default} for name in names]
    return wrapped({"models": known, "default_model": default})


@router.get("/v1/stats", response_model=Wrapped)
async def stats(request: Request) -> Response:
    """How many jobs there were and are."""
    state = app_state(request)
    counters = await asyncio.to_thread(state.ledger.views.counters)
    jobs = {state.value: int(counters.get(state.value, 0)) for state in JobState}
    waiting = jobs["queued"]
    limits = {"queue_size": waiting, "queue_maxsize": state.settings.max_queued}
    return wrapped({"jobs": {"total": sum(jobs.values())} | jobs} | limits)


async def _fields(request: Request) -> dict[str, Any]:
    """The body's fields, of JSON or of a form, those of nested metadata too."""
    if body.media_type(request) == "application/x-www-form-urlencoded":
        return dict(await body.read_form(request))
    try:
        given = orjson.loads(await body.read_json(request))
    except orjson.JSONDecodeError as error:
        raise Problem(INVALID_JSON, f"The body cannot be read as JSON: {error}.") from error
    if not isinstance(given, dict):
        raise Problem(INVALID, "body has to be a JSON object.")
    for nested in NESTED:
        more = given.get(nested)
        given = (more if isinstance(more, dict) else {}) | given
    return given


def translate(given: Mapping[str, Any]) -> JobRequest:
    """Their fields as ours.

    Raises:
        Problem: 422, naming our field.
    """
    if any(given.get(path) for path in PATHS):
        raise Problem(
            INVALID, "Paths of audio on the server are not read here; upload the audio instead.", errors=[]
        )
    ours: dict[str, Any] = dict(THEIR_DEFAULTS)
    for name, theirs in NAMES.items():
        value = next((given[key] for key in theirs if given.get(key) not in (None, "")), None)
        if isinstance(value, list | dict):
            wrong = "has to be text or a number"
            raise Problem(INVALID, f"{name} {wrong}.", errors=[{"field": name, "detail": wrong}])
        if value is not None:
            ours[name] = value
    if _truth(given.get("use_random_seed", True)) or str(ours.get("seed", -1)).startswith("-"):
        ours.pop("seed", None)
    ours["key_scale"] = _key(ours.get("key_scale"))
    ours["time_signature"] = METRES.get(str(ours.get("time_signature")), ours.get("time_signature"))
    if ours.get("vocal_language") == "unknown":
        ours.pop("vocal_language")
    try:
        return JobRequest.model_validate(ours)
    except ValidationError as error:
        raise words.problem_of(error) from error


def without_unchosen(wanted: JobRequest, can: Capabilities | None) -> JobRequest:
    """The request without what the engine cannot honour and nobody chose."""
    refused = [] if can is None else [refusal.field for refusal in can.refusals(wanted)]
    drop = [name for name in refused if name in UNCHOSEN and getattr(wanted, name) == UNCHOSEN[name]]
    return wanted.model_copy(update=dict.fromkeys(drop)) if drop else wanted


def _truth(value: Any) -> bool:
    return isinstance(value, list | dict) or str(value).lower() not in {"false", "0", "no", ""}


def _key(value: Any) -> Any:
    """`Am` as `A minor`."""
    short = SHORT_KEY.match(value) if isinstance(value, str) else None
    return f"{short[1]} {'minor' if short[2] else 'major'}" if short else value


def _result(task_id: str, job: Job | None, link: views.Link) -> dict[str, Any]:
    """One task; of one that is not known they say that it is waiting, with an empty result."""
    if job is None:
        return {"task_id": task_id, "status": 0, "result": "[]", "progress_text": ""}
    files = [item for item in views.outputs(job, link) if item["format"] != "mid"]
    items = [_item(job, item) for item in files] or [_item(job, None)]
    text = job.error.detail if job.error else job.stage or job.state.value
    result = orjson.dumps(items).decode()
    return {"task_id": task_id, "status": STATUS[job.state], "result": result, "progress_text": text}


def _item(job: Job, output: dict[str, Any] | None) -> dict[str, Any]:
    wanted = job.request
    return {
        "file": f"/v1/audio?path={quote(output['url'], safe='')}" if output and output["url"] else "",
        "wave": "",
        "status": STATUS[job.state],
        "create_time": int(job.created_at.timestamp()),
        "env": "tutti",
        "prompt": wanted.prompt,
        "lyrics": wanted.lyrics,
        "metas": {
            "bpm": wanted.bpm,
            "duration": wanted.duration,
            "genres": "",
            "keyscale": wanted.key_scale or "",
            "timesignature": (wanted.time_signature or "").partition("/")[0],
        },
        "generation_info": "",
        "seed_value": ",".join(
            str(item.seed) for item in job.outputs if item.seed is not None and item.format != "mid"
        ),
        "lm_model": "",
        "dit_model": job.queue or "",
        "progress": job.progress,
        "stage": job.stage or job.state.value,
        "error": job.error.detail if job.error else None,
    }
