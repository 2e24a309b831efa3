"""`/v1/lora/*`: an adapter for the songs to come of whoever asks; nobody else hears it.

ACE-Step's server loads an adapter into its one model; here it is a choice of the key (or session, or address)
that is kept in the ledger and goes into each of its jobs.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tasks.jobs import Adapter, JobRequest
from tasks.ledger import Choice
from web.api.accept import capabilities_of
from web.api.acestep import body, support
from web.api.acestep.answers import Route, Wrapped, body_of, declined, wrapped
from web.api.acestep.fields import TRUE, refused
from web.request.auth import identify
from web.request.state import AppState, app_state

router = APIRouter(prefix="/v1/lora", tags=["ACE-Step's own API"], route_class=Route)

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
NONE_YET = "no adapter is chosen; POST /v1/lora/load first"


@router.post("/load", response_model=Wrapped, openapi_extra=body_of({"lora_path": "warm-tape"}))
async def load(request: Request) -> Response:
    """Choose an adapter by its name in the server's folder of adapters."""
    given = await body.read(request)
    path = str(given.body.get("lora_path") or "").strip()
    name = PurePosixPath(path.replace("\\", "/")).name.removesuffix(".safetensors")
    if not NAME.match(name):
        raise refused("lora_path", "has to be the name of an adapter on the server, such as warm-tape")
    _require_adapters(app_state(request), name)
    folder = app_state(request).settings.lora_path
    if await asyncio.to_thread(folder.is_dir) and not await asyncio.to_thread(_is_there, folder / name):
        raise refused("lora_path", f"{name!r} is not among this server's adapters")
    await _choose(request, Choice(name))
    return wrapped({"message": f"{name} is chosen", "lora_path": path, "adapter_name": name})


def _require_adapters(state: AppState, name: str) -> None:
    """Refuse now what every song would be refused for later: an engine that takes no adapters."""
    can = capabilities_of(state, support.served(state))
    asked = JobRequest(prompt="a song with it", lora=name)
    if can is not None and (wrong := [item for item in can.refusals(asked) if item.field == "lora"]):
        raise refused("lora_path", wrong[0].detail)


def _is_there(place: Path) -> bool:
    return place.is_dir() or place.with_name(f"{place.name}.safetensors").is_file()


@router.post("/unload", response_model=Wrapped, openapi_extra=body_of({}))
async def unload(request: Request) -> Response:
    """Choose none any more."""
    await body.read(request)
    await _choose(request, None)
    return wrapped({"message": "no adapter is chosen"})


@router.post("/toggle", response_model=Wrapped, openapi_extra=body_of({"use_lora": True}))
async def toggle(request: Request) -> Response:
    """Let the chosen adapter be heard, or not."""
    given = await body.read(request)
    if given.body.get("use_lora") is None:
        raise refused("use_lora", "is missing; say true or false")
    chosen = await _chosen(request)
    if chosen is None:
        return declined(NONE_YET)
    on = str(given.body["use_lora"]).lower() in TRUE
    await _choose(request, replace(chosen, enabled=on))
    return wrapped({"message": f"{chosen.adapter} is {'on' if on else 'off'}", "use_lora": on})


@router.post("/scale", response_model=Wrapped, openapi_extra=body_of({"scale": 1.0}))
async def scale(request: Request) -> Response:
    """How strongly the adapter is heard: 0 not at all, 1 as it was trained."""
    given = await body.read(request)
    try:
        wanted = float(given.body["scale"])
    except (KeyError, TypeError, ValueError):
        raise refused("scale", "has to be a number from 0 to 1") from None
    if not 0.0 <= wanted <= 1.0:
        raise refused("scale", "has to be a number from 0 to 1")
    chosen = await _chosen(request)
    if chosen is None:
        return declined(NONE_YET)
    await _choose(request, replace(chosen, scale=wanted))
    return wrapped({"message": "taken", "scale": wanted, "adapter_name": chosen.adapter})


@router.get("/status", response_model=Wrapped)
async def status(request: Request) -> Response:
    """What is chosen now."""
    chosen = await _chosen(request)
    return wrapped(
        {
            "lora_loaded": chosen is not None,
            "use_lora": bool(chosen and chosen.enabled),
            "lora_scale": chosen.scale if chosen else 1.0,
            "adapter_type": "lora" if chosen else None,
            "scales": {chosen.adapter: chosen.scale} if chosen else {},
            "active_adapter": chosen.adapter if chosen and chosen.enabled else None,
            "adapters": [chosen.adapter] if chosen else [],
            "synthetic_default_mode": False,
        }
    )


async def with_choice(request: Request, wanted: JobRequest) -> JobRequest:
    """The job with the adapter that its owner has chosen, where it is on."""
    chosen = await _chosen(request)
    if chosen is None or not chosen.enabled or wanted.lora or wanted.loras:
        return wanted
    if chosen.scale == 1.0:
        return wanted.model_copy(update={"lora": chosen.adapter})
    return wanted.model_copy(update={"loras": (Adapter(name=chosen.adapter, scale=chosen.scale),)})


async def _chosen(request: Request) -> Choice | None:
    owner = await identify(request)
    return await asyncio.to_thread(app_state(request).ledger.adapters.chosen, owner.id)


async def _choose(request: Request, choice: Choice | None) -> None:
    owner = await identify(request)
    await asyncio.to_thread(app_state(request).ledger.adapters.choose, owner.id, choice)
