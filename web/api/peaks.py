"""A song's waveform as a few hundred numbers, for the player to draw."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from tasks.storage.folders import located
from web.api import views
from web.api.jobs import answer, find
from web.api.output import lasting, require_own_or_link
from web.request.problems import NOT_FOUND, UNAVAILABLE, Problem
from web.request.state import app_state

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_turn = asyncio.Semaphore(1)  # decoding is work; one song at a time leaves the other core to requests


class Peaks(BaseModel):
    """The waveform."""

    seconds: float
    peaks: list[float]


@router.get("/{job_id}/peaks/{variation}", response_model=Peaks)
async def show(request: Request, job_id: str, variation: int) -> Response:
    """The loudest sample of each of 480 equal parts of a song, 0..1."""
    job = await find(request, job_id)
    await require_own_or_link(request, job)
    song = next(
        (item for item in views.outputs(job) if item["variation"] == variation and item["format"] != "mid"),
        None,
    )
    if song is None:
        raise Problem(NOT_FOUND, "There is no such variation, or it is not finished.")
    try:
        async with _turn:
            stored = job.stored_as(song["name"]) or song["name"]
            peaks = await asyncio.to_thread(_waveform, app_state(request).settings.storage_path, stored)
    except (OSError, RuntimeError) as error:
        raise Problem(
            UNAVAILABLE, "The song's file cannot be read now.", headers={"retry-after": "5"}
        ) from error
    return answer({"seconds": song["seconds"], "peaks": peaks}, headers={"cache-control": lasting(request)})


def _waveform(storage: Path, name: str) -> list[float]:
    return _peaks(located(storage, name))


@lru_cache(maxsize=256)
def _peaks(path: Path) -> list[float]:
    """Peaks of a file; it never changes, so neither do they."""
    from tasks.audio.peaks import waveform  # it brings numpy, which starting need not wait for

    return waveform(path)
