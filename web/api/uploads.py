"""`/v1/uploads`: audio to work on, kept under the SHA-256 of its bytes, so that twice the same is once."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import IO

import anyio
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tasks.storage.uploads import Uploads
from web.api.jobs import answer
from web.request.auth import identify
from web.request.client import bucket, through_gateway
from web.request.http import upload_max
from web.request.problems import BAD_REQUEST, INVALID, MEDIA, TOO_LARGE, UNAVAILABLE, Problem
from web.request.refusals import refusals
from web.request.session import refuse_foreign_site
from web.request.state import FILES, AppState, app_state

router = APIRouter(prefix="/v1/uploads", tags=["jobs"])

PATIENCE = 300.0  # seconds for a whole upload
SECONDS_MAX = 600.0
BINARY = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    "required": True,
}


class Upload(BaseModel):
    """What was taken in."""

    id: str = Field(description="Pass it as `source_audio` or `reference_audio`.", examples=["9f86d081..."])
    bytes: int
    seconds: float | None = Field(description="Its length, where this process can read the format.")


@router.post("", status_code=201, response_model=Upload, openapi_extra={"requestBody": BINARY})
async def create(request: Request) -> Response:
    """Upload audio: the body is the file itself, `Content-Type` its type, such as `audio/mpeg`."""
    with refusals(request):
        refuse_foreign_site(request)
        state, owner = app_state(request), await identify(request)
        if not through_gateway(request.scope, state.trusted):
            state.gate.admit(bucket(owner.address), owner.key_id)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.startswith(("audio/", "video/")) and kind != "application/octet-stream":
            raise Problem(
                MEDIA, f"Send the audio itself with its type, such as audio/mpeg, not {kind or 'none'}."
            )
        async with _receive(request, state) as (path, digest):
            uploads = Uploads(state.settings.upload_path)
            seconds, size = await anyio.to_thread.run_sync(
                _keep, uploads, path, digest, owner.id, limiter=FILES
            )
            return answer({"id": digest, "bytes": size, "seconds": seconds}, 201)


@contextlib.asynccontextmanager
async def _receive(request: Request, state: AppState) -> AsyncIterator[tuple[Path, str]]:
    """Write the body to a temporary file beside its place.

    Raises:
        Problem: 413 beyond TUTTI_MAX_BODY_MEGABYTES; 400 where it breaks off; 503 where it cannot be written.
    """
    try:
        file = await anyio.to_thread.run_sync(_open, state.settings.upload_path, limiter=FILES)
    except OSError as error:
        raise _no_room() from error
    try:
        with file:
            digest = await _copy(request, file, upload_max(state.settings))
        yield Path(file.name), digest
    finally:
        leftover = partial(Path(file.name).unlink, missing_ok=True)
        await anyio.to_thread.run_sync(leftover, limiter=FILES)


def _open(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
    os.close(handle)
    return Path(name).open("wb")


async def _copy(request: Request, file: IO[bytes], limit: int) -> str:
    digest, size = hashlib.sha256(), 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    detail = f"An upload may have {limit // 10**6} MB."
                    raise Problem(TOO_LARGE, detail, headers={"connection": "close"})
                digest.update(chunk)
                await anyio.to_thread.run_sync(file.write, chunk, limiter=FILES)
    except (TimeoutError, ClientDisconnect) as error:
        raise Problem(BAD_REQUEST, "The upload did not arrive in full.") from error
    except OSError as error:
        raise _no_room() from error
    if not size:
        raise Problem(BAD_REQUEST, "The upload is empty.")
    return digest.hexdigest()


def _no_room() -> Problem:
    return Problem(UNAVAILABLE, "Uploads cannot be kept now; try again.", headers={"retry-after": "5"})


def _length(path: Path) -> float | None:
    """Seconds of sound, where libsndfile reads the format; what it does not, the worker's ffmpeg may.

    Raises:
        Problem: 422 where it is longer than a job may be.
    """
    import soundfile

    try:
        seconds = float(soundfile.info(str(path)).duration)
    except (RuntimeError, ValueError):
        return None
    if seconds > SECONDS_MAX:
        raise Problem(
            INVALID, f"The audio lasts {seconds:.0f} s; {SECONDS_MAX:.0f} s are allowed.", errors=[]
        )
    return seconds


def _keep(uploads: Uploads, path: Path, digest: str, owner: str) -> tuple[float | None, int]:
    """Put the file in its place; its seconds and bytes."""
    seconds = _length(path)
    size = path.stat().st_size
    uploads.keep(path, digest, owner)
    return seconds, size
