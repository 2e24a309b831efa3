"""`/v1/uploads`: audio to work on, kept under the SHA-256 of its bytes, so that twice the same is once.

What is kept has been decoded from its beginning to its end, so that no job fails for it after a wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import anyio
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from tasks.audio.decoding import Sound, Undecodable, measure
from tasks.storage.uploads import Uploads
from web.api.jobs import answer
from web.request import body
from web.request.auth import Owner, identify
from web.request.bounds import ConcurrencyLimit
from web.request.client import bucket, held_in_front
from web.request.http import upload_max
from web.request.problems import BAD_REQUEST, INVALID, MEDIA, QUOTA, UNAVAILABLE, Problem
from web.request.refusals import refusals
from web.request.session import refuse_foreign_site
from web.request.state import FILES, AppState, app_state

router = APIRouter(prefix="/v1/uploads", tags=["jobs"])

PATIENCE = 300.0  # seconds for a whole upload
BINARY = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    "required": True,
}
MB = 10**6

_bounds = ConcurrencyLimit("An owner may send uploads", each=2, together=16)
_decoding = asyncio.Semaphore(2)  # decoding takes a core
_keeping = threading.Lock()  # two that arrive together are counted one after the other


class Upload(BaseModel):
    """What was taken in."""

    id: str = Field(description="Pass it as `source_audio` or `reference_audio`.", examples=["9f86d081..."])
    bytes: int
    seconds: float = Field(description="Its length, measured by decoding it.")


@router.post("", status_code=201, response_model=Upload, openapi_extra={"requestBody": BINARY})
async def create(request: Request) -> Response:
    """Upload audio: the body is the file itself, `Content-Type` its type, such as `audio/mpeg`."""
    with refusals(request):
        refuse_foreign_site(request)
        state, owner = app_state(request), await identify(request)
        if not held_in_front(request.scope, state.proxies):
            state.gate.admit(bucket(owner.address), owner.key_id)
        _check_type(request)
        payer = payer_of(owner)
        uploads = Uploads(state.settings.upload_path)
        with _bounds.one([payer]):
            chunks = body.stream(request, upload_max(state.settings), PATIENCE)
            async with _receive(chunks, state, uploads, payer) as (path, digest):
                sound = await _measured(path)
                size = await _kept(state, uploads, path, digest, owner)
        return answer({"id": digest, "bytes": size, "seconds": sound.seconds}, 201)


async def keep_audio(state: AppState, owner: Owner, source: IO[bytes]) -> str:
    """Keep audio that came inside another body, as if it had been uploaded; its id.

    Raises:
        Problem: 422 where it is no sound that a job can use; 429 beyond the owner's quota; 503.
    """
    payer, uploads = payer_of(owner), Uploads(state.settings.upload_path)
    with _bounds.one([payer]):
        async with _receive(_blocks(source), state, uploads, payer) as (path, digest):
            await _measured(path)
            await _kept(state, uploads, path, digest, owner)
    return digest


async def _blocks(source: IO[bytes]) -> AsyncIterator[bytes]:
    while block := await anyio.to_thread.run_sync(source.read, MB, limiter=FILES):
        yield block


def payer_of(owner: Owner) -> str:
    """Whose quota an upload counts to: a key's, else its address's, for sessions cost nothing to make."""
    return f"key:{owner.key_id}" if owner.key_id else f"address:{bucket(owner.address)}"


def _check_type(request: Request) -> None:
    kind = body.media_type(request)
    if not kind.startswith(("audio/", "video/")) and kind not in {
        "application/octet-stream",
        "application/ogg",
    }:
        raise Problem(
            MEDIA, f"Send the audio itself with its type, such as audio/mpeg, not {kind or 'none'}."
        )


@contextlib.asynccontextmanager
async def _receive(
    chunks: AsyncIterator[bytes], state: AppState, uploads: Uploads, payer: str
) -> AsyncIterator[tuple[Path, str]]:
    """Write what comes to a temporary file beside its place; it is gone when the block ends, however it ends.

    Raises:
        Problem: 413 beyond TUTTI_MAX_BODY_MEGABYTES; 429 beyond the owner's quota; 400 where it breaks off;
            503 where it cannot be written.
    """
    try:
        left = _quota(state) - await anyio.to_thread.run_sync(uploads.bytes_of, payer, limiter=FILES)
        file = await anyio.to_thread.run_sync(_open, state.settings.upload_path, limiter=FILES)
    except OSError as error:
        raise _no_room() from error
    path = Path(file.name)
    try:
        with file:
            digest = await _copy(chunks, file, left)
        yield path, digest
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: path.unlink(missing_ok=True), limiter=FILES)


def _open(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
    os.close(handle)
    return Path(name).open("wb")


async def _copy(chunks: AsyncIterator[bytes], file: IO[bytes], left: int) -> str:
    digest, size = hashlib.sha256(), 0
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > left:
                raise _beyond_quota(left)
            digest.update(chunk)
            await anyio.to_thread.run_sync(file.write, chunk, limiter=FILES)
    except OSError as error:
        raise _no_room() from error
    if not size:
        raise Problem(BAD_REQUEST, "The upload is empty.")
    return digest.hexdigest()


def _beyond_quota(left: int) -> Problem:
    detail = (
        f"Your uploads may have {max(left, 0) // MB} MB more than they have (TUTTI_UPLOAD_QUOTA_MEGABYTES). "
        "They go by themselves some days after their last use."
    )
    return Problem(QUOTA, detail, headers={"retry-after": "3600"})


def _no_room() -> Problem:
    return Problem(UNAVAILABLE, "Uploads cannot be kept now; try again.", headers={"retry-after": "5"})


async def _measured(path: Path) -> Sound:
    """What is in the file.

    Raises:
        Problem: 422 where it is no sound that a job can use.
    """
    try:
        async with _decoding:
            return await anyio.to_thread.run_sync(measure, path, limiter=FILES)
    except Undecodable as error:
        raise Problem(INVALID, f"The upload {error}.", errors=[]) from error
    except OSError as error:
        raise _no_room() from error


async def _kept(state: AppState, uploads: Uploads, path: Path, digest: str, owner: Owner) -> int:
    """Put the file in its place, if there is still room for it; its bytes.

    Raises:
        Problem: 429 where others of the same owner have taken the room meanwhile; 503 where there is none.
    """
    payer, quota = payer_of(owner), _quota(state)

    def keep() -> tuple[int, int]:
        size = path.stat().st_size
        with _keeping:
            left = quota - uploads.bytes_of(payer, without=digest)
            if size <= left:
                uploads.keep(path, digest, owner.id, payer)
        return size, left

    try:
        size, left = await anyio.to_thread.run_sync(keep, limiter=FILES)
    except OSError as error:
        raise _no_room() from error
    if size > left:
        raise _beyond_quota(left)
    return size


def _quota(state: AppState) -> int:
    return state.settings.upload_quota_megabytes * MB
