"""What ACE-Step's language model does, as far as it goes without it: kept examples, plain refusals."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from web.api.acestep import body, samples
from web.api.acestep.answers import Route, Wrapped, body_of, wrapped
from web.api.acestep.models import NO_PLANNER
from web.request.problems import NO_MODEL, Problem

router = APIRouter(tags=["ACE-Step's own API"], route_class=Route)


@router.post(
    "/create_random_sample", response_model=Wrapped, openapi_extra=body_of({"sample_type": "simple_mode"})
)
async def create_random_sample(request: Request) -> Response:
    """One kept example: a short wish (`simple_mode`, the default), or a whole song's fields."""
    given = await body.read(request)
    kept = samples.draw()
    simple = str(given.body.get("sample_type") or "simple_mode") == "simple_mode"
    return wrapped(_simple(kept) if simple else _custom(kept))


def _simple(kept: samples.Example) -> dict[str, Any]:
    return {
        "description": kept.description,
        "instrumental": kept.instrumental,
        "vocal_language": kept.language,
    }


def _custom(kept: samples.Example) -> dict[str, Any]:
    return {
        "think": True,
        "caption": kept.caption,
        "lyrics": kept.lyrics,
        "bpm": kept.bpm,
        "duration": kept.seconds,
        "keyscale": kept.key_scale,
        "language": kept.language,
        "timesignature": kept.metre,
    }


@router.post(
    "/format_input", response_model=Wrapped, openapi_extra=body_of({"prompt": "calm piano", "lyrics": ""})
)
async def format_input(request: Request) -> Response:
    """Their language model rewrites prompt and lyrics; it is not served here, so this is refused."""
    await body.read(request)
    raise Problem(NO_MODEL, f"Prompts are not rewritten: {NO_PLANNER}. Send them as they are.")


@router.post("/v1/create_sample", response_model=Wrapped, openapi_extra=body_of({"query": "a soft waltz"}))
async def create_sample(request: Request) -> Response:
    """Their language model thinks of a song; it is not served here, so this is refused."""
    await body.read(request)
    raise Problem(NO_MODEL, f"Songs are not thought of: {NO_PLANNER}. Send a prompt to /release_task.")
