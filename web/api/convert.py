"""A finished song in another format than it was asked for: made when somebody first wants it, then kept.

The file lies beside the song under the song's name, with its hash, and goes when the song goes.
"""

from __future__ import annotations

import asyncio
import mmap
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tasks.jobs import AudioFormat, ErrorClass, Job, JobError
from tasks.storage.folders import located
from tasks.storage.songs import Storage
from web.api import views
from web.api.jobs import find
from web.api.output import require_own_or_link, send, status_of
from web.process.conversions import NobodyWaits, TooSlow
from web.request.auth import Owner, identify
from web.request.bounds import ConcurrencyLimit
from web.request.client import bucket
from web.request.problems import BAD_REQUEST, NOT_FOUND, UNAVAILABLE, Problem
from web.request.state import FILES, AppState, app_state

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

LOSSLESS = frozenset({"wav", "flac"})
AGAIN = {"retry-after": "5"}
_bounds = ConcurrencyLimit("An owner may wait for conversions", each=4, together=64)


@router.get("/{job_id}/songs/{variation}.{extension}", responses={200: {"content": {"audio/*": {}}}})
async def show(request: Request, job_id: str, variation: int, extension: AudioFormat) -> Response:
    """A finished song as wav, flac, mp3 or opus. Only what was kept without loss is converted."""
    job = await find(request, job_id)
    await require_own_or_link(request, job)
    song = _source(job, variation, extension)
    if song["format"] == extension:
        return await send(request, song["name"])
    state, stored = app_state(request), job.stored_as(song["name"]) or song["name"]
    name = f"{Path(stored).stem}.{extension}"
    path = await anyio.to_thread.run_sync(located, state.settings.storage_path, name, limiter=FILES)
    if await status_of(path) is None:
        work = partial(_convert, state.storage, stored, extension, job)
        await _made(request, state, name, work)
    try:
        digest = await anyio.to_thread.run_sync(state.storage.hash_of, name, limiter=FILES)
    except JobError as error:
        raise _unavailable() from error
    shown = f"{Path(song['name']).stem}.{extension}"
    return await send(request, name, tag=f'"{digest}"', attached_as=shown)


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


async def _made(request: Request, state: AppState, name: str, work: Callable[..., None]) -> None:
    """Wait until the file is there, for as long as the client does.

    Raises:
        Problem: 429 or 503 where it cannot be made now; 400 where the client has gone.
    """
    owner = _turn_of(await identify(request))
    making = asyncio.create_task(_bounded(state, name, owner, work))
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({making, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not making.done():
            raise Problem(BAD_REQUEST, "The client has gone.")
        await making
    except (NobodyWaits, TooSlow, OSError, RuntimeError, ValueError) as error:
        raise _unavailable() from error
    except JobError as error:
        full = error.error_class is ErrorClass.STORAGE_FULL
        detail = "There is no room for converted songs now." if full else "The storage does not answer."
        raise Problem(
            UNAVAILABLE, f"{detail} Take the song as it is, or try again.", headers=AGAIN
        ) from error
    finally:
        for task in (making, gone):
            task.cancel()
        await asyncio.gather(making, gone, return_exceptions=True)


async def _bounded(state: AppState, name: str, owner: str, work: Callable[..., None]) -> None:
    with _bounds.one([owner]):
        await state.conversions.make(name, owner, work)


def _turn_of(owner: Owner) -> str:
    """Whose turn a conversion is: a key's, else its address's, for sessions cost nothing to make."""
    return f"key:{owner.key_id}" if owner.key_id else f"address:{bucket(owner.address)}"


async def _gone(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _unavailable() -> Problem:
    return Problem(UNAVAILABLE, "The song's file cannot be read now; try again.", headers=AGAIN)


def _convert(
    storage: Storage, source: str, extension: AudioFormat, job: Job, progress: Callable[[float], None]
) -> None:
    """Make the file and put it beside the song; what is written on the way has no name and leaves nothing."""
    from tasks.audio.encoding import convert
    from tasks.audio.tags import title_of

    path, name = storage.folder / source, f"{Path(source).stem}.{extension}"
    with tempfile.TemporaryFile() as file:
        encoded = convert(path, file, extension, title=title_of(job.request), progress=progress)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as data:
            storage.publish(name, job.attempt, data, seconds=encoded.seconds)
    storage.hash_of(name)
    if not path.exists():  # the song went meanwhile, and nobody would come for this
        storage.remove([name])
