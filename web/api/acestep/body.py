"""Reading the bodies of ACE-Step's clients: JSON, with its content type or without, and both forms."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl

import anyio
import orjson
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message

from tasks.storage.uploads import Uploads
from web.api.acestep.fields import FILES, Given
from web.api.uploads import keep, no_room
from web.request import body
from web.request.auth import identify, show_key
from web.request.problems import BAD_REQUEST, INVALID, INVALID_JSON, MEDIA, TOO_LARGE, Problem
from web.request.session import refuse_foreign_site
from web.request.state import FILES as THREADS
from web.request.state import AppState, app_state

FORM = "application/x-www-form-urlencoded"
FIELDS_MAX, FILES_MAX = 200, 4
PATIENCE = 300.0  # seconds for a whole body with audio


async def read(request: Request, limit: int = body.JSON_LIMIT) -> Given:
    """The fields of a request, of whoever may ask.

    Raises:
        Problem: 400, 401, 403, 413, 415 or 422.
    """
    refuse_foreign_site(request)
    given = await _fields(request, limit)
    token = given.body.get("ai_token")
    if token:
        await show_key(request, str(token))
    else:
        await identify(request)
    return given


async def _fields(request: Request, limit: int) -> Given:
    kind = body.media_type(request)
    if kind == "multipart/form-data":
        return await _multipart(request)
    raw = await body.read(request, limit)
    if kind == FORM or (kind not in {"", "application/json"} and not kind.endswith("+json")):
        if kind != FORM and not _looks_like_json(raw):
            raise Problem(MEDIA, f"Send JSON, an urlencoded form or multipart/form-data, not {kind}.")
        if kind == FORM and not _looks_like_json(raw):
            return Given(_form(raw))
    return Given(_object(raw))


def _looks_like_json(raw: bytes) -> bool:
    return raw.lstrip()[:1] == b"{"


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        given = orjson.loads(raw or b"{}")
    except orjson.JSONDecodeError as error:
        raise Problem(INVALID_JSON, f"The body cannot be read as JSON: {error}.") from error
    if not isinstance(given, dict):
        raise Problem(INVALID, "body has to be a JSON object.")
    return given


def _form(raw: bytes) -> Mapping[str, Any]:
    text = raw.decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError as error:
        raise Problem(BAD_REQUEST, "The form has too many fields.") from error


async def _multipart(request: Request) -> Given:
    """A form with files; they land in the store of uploads, with its limits."""
    state = app_state(request)
    limit = state.settings.max_body_megabytes * 10**6
    bounded = Request(request.scope, _bounded(request, limit))
    found: dict[str, Any] = {}
    files: dict[str, str] = {}
    try:
        async with (
            asyncio.timeout(PATIENCE),
            bounded.form(max_files=FILES_MAX, max_fields=FIELDS_MAX, max_part_size=body.JSON_LIMIT) as form,
        ):
            for name, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    found[name] = value
                elif name not in FILES:
                    known = ", ".join(FILES)
                    raise Problem(
                        INVALID, f"{name[:40]} is no file of this API; there are: {known}.", errors=[]
                    )
                elif value.size:
                    files[FILES[name]] = await _kept(value, state)
    except MultiPartException as error:
        raise Problem(BAD_REQUEST, f"The form cannot be read: {error.message}") from error
    except TimeoutError as error:
        raise Problem(BAD_REQUEST, "The body did not arrive in full.") from error
    return Given(found, files)


def _bounded(request: Request, limit: int) -> Any:
    """The request's body, up to a limit."""
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > limit:
            detail = f"A body may have {limit // 10**6} MB."
            raise Problem(TOO_LARGE, detail, headers={"connection": "close"})
        return message

    return receive


async def _kept(file: UploadFile, state: AppState) -> str:
    return await anyio.to_thread.run_sync(keep_audio, file.file, state.settings.upload_path, limiter=THREADS)


def keep_audio(source: IO[bytes], folder: Path) -> str:
    """Put audio into the store of uploads; its id.

    Raises:
        Problem: 422 where it is too long, 503 where it cannot be kept.
    """
    digest = hashlib.sha256()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as target:
                source.seek(0)
                while block := source.read(1 << 20):
                    digest.update(block)
                    target.write(block)
            keep(Uploads(folder), path, digest.hexdigest())
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise no_room() from error
    return digest.hexdigest()
