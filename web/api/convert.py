"""A finished song in another format than it was asked for, made when somebody wants it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import anyio
from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from tasks.jobs import AudioFormat, Job
from web.api import views
from web.api.jobs import find
from web.api.output import lasting, require_own_or_link, send
from web.request.http import MEDIA_TYPES
from web.request.problems import NOT_FOUND, UNAVAILABLE, Problem
from web.request.state import FILES, app_state

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

LOSSLESS = frozenset({"wav", "flac"})
WAITING_MAX = 8
_turn = asyncio.Semaphore(1)  # encoding takes a core; one at a time leaves the other to requests
_waiting = 0


@router.get("/{job_id}/songs/{variation}.{extension}", responses={200: {"content": {"audio/*": {}}}})
async def show(request: Request, job_id: str, variation: int, extension: AudioFormat) -> Response:
    """A finished song as wav, flac, mp3 or opus. Only what was kept without loss is converted."""
    job = await find(request, job_id)
    await require_own_or_link(request, job)
    song = _source(job, variation, extension)
    if song["format"] == extension:
        return await send(request, song["name"])
    source = app_state(request).settings.storage_path / (job.stored_as(song["name"]) or song["name"])
    path = await _converted(source, extension, job.request.prompt[:80])
    return FileResponse(
        path,
        headers={"cache-control": lasting(request)},
        media_type=MEDIA_TYPES[extension],
        filename=f"{Path(song['name']).stem}.{extension}",
        background=BackgroundTask(os.unlink, path),
    )


def formats(song: dict[str, Any]) -> list[str]:
    """The other formats that a song can be had in."""
    return [
        name
        for name in ("wav", "flac", "mp3", "opus")
        if song["format"] in LOSSLESS and name != song["format"]
    ]


def _source(job: Job, variation: int, extension: str) -> dict[str, Any]:
    for song in views.outputs(job):
        if song["variation"] == variation and (song["format"] == extension or extension in formats(song)):
            return song
    raise Problem(NOT_FOUND, "There is no such song, or it cannot be had in this format.")


async def _converted(source: Path, extension: AudioFormat, title: str) -> str:
    global _waiting  # noqa: PLW0603  one counter a process
    if _waiting >= WAITING_MAX:
        raise Problem(UNAVAILABLE, "Many songs are being converted; try again.", headers={"retry-after": "5"})
    _waiting += 1
    try:
        async with _turn:
            return await anyio.to_thread.run_sync(_convert, source, extension, title, limiter=FILES)
    except (OSError, RuntimeError) as error:
        raise Problem(
            UNAVAILABLE, "The song's file cannot be read now.", headers={"retry-after": "5"}
        ) from error
    finally:
        _waiting -= 1


def _convert(source: Path, extension: AudioFormat, title: str) -> str:
    """Write the song to a temporary file; whoever asked deletes it."""
    import soundfile

    from tasks.audio.encoding import encode

    samples, rate = soundfile.read(source, dtype="int16", always_2d=True)
    handle, name = tempfile.mkstemp(suffix=f".{extension}")
    os.close(handle)
    try:
        encode(samples.T, rate, Path(name), extension, title=title)
    except BaseException:
        Path(name).unlink()
        raise
    return name
