"""What is served: `/v1/models`, `/v1/model_inventory`, `/v1/init`, `/v1/reinitialize`, `/v1/stats`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from tasks.jobs import JobState
from web.api.acestep import body, support
from web.api.acestep.answers import Route, Wrapped, body_of, declined, wrapped
from web.api.jobs import answer
from web.request.auth import identify
from web.request.problems import NOT_FOUND, Problem
from web.request.session import refuse_foreign_site
from web.request.state import AppState, app_state

router = APIRouter(tags=["ACE-Step's own API"], route_class=Route)

FREE = {"prompt": "0", "completion": "0", "request": "0", "image": "0"}
NO_PLANNER = "the language model is not served here"


class Listed(BaseModel):
    """The models, as clients of chat services read them (`data`) and as others do (`models`)."""

    object: str = "list"
    data: list[dict[str, Any]]
    models: list[dict[str, Any]]
    default_model: str
    code: int = 200
    error: str | None = None
    timestamp: int


@router.get("/v1/models", response_model=Listed)
async def models(request: Request) -> Response:
    """What the live workers serve."""
    state = app_state(request)
    known = inventory(state)
    listed = [_of_chat(item["name"]) for item in known["models"]]
    now = time.time_ns() // 10**6
    return answer(
        {
            "object": "list",
            "data": listed,
            "models": known["models"],
            "default_model": known["default_model"],
            "code": 200,
            "error": None,
            "timestamp": now,
        }
    )


@router.get("/api/v1/models", include_in_schema=False)
async def models_again(request: Request) -> Response:
    """The same where a client of OpenRouter looks for it."""
    return await models(request)


def _of_chat(name: str) -> dict[str, Any]:
    return {
        "id": f"{support.PREFIX}{name}",
        "name": f"ACE-Step {name}",
        "created": int(time.time()),
        "input_modalities": ["text", "audio"],
        "output_modalities": ["audio", "text"],
        "context_length": 4096,
        "max_output_length": 300,
        "pricing": FREE,
        "description": "Music from text and audio.",
        "architecture": None,
    }


@router.get("/v1/model_inventory", response_model=Wrapped)
async def model_inventory(request: Request) -> Response:
    """The models with their tasks, and the language models, of which there are none yet."""
    return wrapped(inventory(app_state(request)))


def inventory(state: AppState) -> dict[str, Any]:
    """The models, in their shape."""
    default = support.served(state)
    known = [
        {
            "name": support.names_of(queue, state.settings)[0],
            "is_default": queue == default,
            "is_loaded": support.is_loaded(queue, state),
            "supported_task_types": support.tasks_of(queue, state),
        }
        for queue in support.models(state)
    ]
    return {
        "models": known,
        "default_model": support.names_of(default, state.settings)[0],
        "lm_models": [],
        "loaded_lm_model": None,
        "llm_initialized": False,
    }


@router.post(
    "/v1/init", response_model=Wrapped, openapi_extra=body_of({"model": "acestep-v15-turbo", "slot": 1})
)
async def init(request: Request) -> Response:
    """Ask for a model to be loaded. Workers load theirs by themselves, so this only says what there is."""
    given = await body.read(request)
    state = app_state(request)
    known, name = inventory(state), given.text("model")
    queue = support.served(state)
    if name and support.find(name, state) != queue:
        return declined(f"{name[:60]} does not make songs here; {known['default_model']} does")
    if str(given.body.get("slot", 1)) != "1":
        return declined(f"slot {str(given.body['slot'])[:10]} is not available; there is slot 1")
    if str(given.body.get("init_llm", "")).lower() in {"true", "1"}:
        return declined(NO_PLANNER)
    return wrapped(
        {
            "message": "the workers load their model by themselves",
            "slot": 1,
            "loaded_model": known["default_model"],
            "loaded_lm_model": None,
            "models": known["models"],
            "lm_models": [],
            "llm_initialized": False,
        }
    )


@router.post("/v1/reinitialize", response_model=Wrapped)
async def reinitialize(request: Request) -> Response:
    """Nothing: a worker that lost its model loads it again by itself."""
    await body.read(request)
    return wrapped({"message": "the workers load their model by themselves", "reloaded": []})


@router.get("/v1/stats", response_model=Wrapped)
async def stats(request: Request) -> Response:
    """How many jobs there were and are, and how long one runs."""
    await identify(request)
    state = app_state(request)
    counters = await asyncio.to_thread(state.ledger.views.counters)
    pace = await asyncio.to_thread(state.ledger.views.pace)
    jobs = {each.value: int(counters.get(each.value, 0)) for each in JobState}
    return wrapped(
        {
            "jobs": {"total": sum(jobs.values())} | jobs,
            "queue_size": jobs["queued"],
            "queue_maxsize": state.settings.max_queued,
            "avg_job_seconds": round(pace.get(support.served(state), 0.0), 3),
        }
    )


def health(state: AppState, *, ready: bool) -> dict[str, Any]:
    """What their clients read of `/health`, under `data`."""
    known = inventory(state)
    return {
        "status": "ok" if ready else "unavailable",
        "service": "ACE-Step API",
        "version": "1.0",
        "models_initialized": any(item["is_loaded"] for item in known["models"]),
        "llm_initialized": False,
        "loaded_model": known["default_model"],
        "loaded_lm_model": None,
    }


@router.api_route("/v1/dataset/{what:path}", methods=["GET", "POST", "PUT"], include_in_schema=False)
@router.api_route("/v1/training/{what:path}", methods=["GET", "POST", "PUT"], include_in_schema=False)
async def training(request: Request) -> Response:
    """Refuse what ACE-Step's server trains with."""
    if request.method != "GET":
        refuse_foreign_site(request)
    raise Problem(
        NOT_FOUND, "Nothing is trained here; train elsewhere, and choose the adapter by /v1/lora/load."
    )
