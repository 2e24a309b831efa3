"""Reading the bodies of ACE-Step's clients: JSON, with its content type or without, and both forms."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from typing import IO, Any
from urllib.parse import parse_qsl

import anyio
import orjson
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message

from web.api.acestep.fields import FILES, Given, refused
from web.api.uploads import keep_audio
from web.request import body
from web.request.auth import identify, key_of, require_scope, show_key
from web.request.http import JSON_MAX, upload_max
from web.request.problems import BAD_REQUEST, INVALID, INVALID_JSON, MEDIA, TOO_LARGE, Problem
from web.request.session import refuse_foreign_site
from web.request.state import FILES as THREADS
from web.request.state import app_state

FORM = "application/x-www-form-urlencoded"
FIELDS_MAX, FILES_MAX = 200, 4
BLOCK = 1 << 20
PATIENCE = 300.0  # seconds for a whole body with audio


async def read(request: Request, limit: int = JSON_MAX) -> Given:
    """The fields of a request, of whoever may ask.

    Raises:
        Problem: 400, 401, 403, 413, 415 or 422.
    """
    refuse_foreign_site(request)
    fields, files = await _fields(request, limit)
    try:
        token = fields.get("ai_token")
        if token:
            await show_key(request, str(token))
        owner = await identify(request)
        key = await key_of(request)
        if key is not None:  # the guard leaves these addresses to us, whichever way a key is shown
            require_scope(key, request.method)
        kept = {role: await keep_audio(app_state(request), owner, file) for role, file in files.items()}
    finally:
        for file in files.values():
            file.close()
    return Given(fields, kept)


async def _fields(request: Request, limit: int) -> tuple[Mapping[str, Any], Mapping[str, IO[bytes]]]:
    kind = body.media_type(request)
    if kind == "multipart/form-data":
        return await _multipart(request)
    raw = await body.read(request, limit)
    if kind == FORM or (kind not in {"", "application/json"} and not kind.endswith("+json")):
        if kind != FORM and not _looks_like_json(raw):
            raise Problem(MEDIA, f"Send JSON, an urlencoded form or multipart/form-data, not {kind}.")
        if kind == FORM and not _looks_like_json(raw):
            return _form(body.as_utf8(request, raw, BAD_REQUEST)), {}
    return _object(body.as_utf8(request, raw, INVALID_JSON)), {}


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
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
        return _together(pairs)
    except UnicodeDecodeError as error:
        raise Problem(BAD_REQUEST, "The form's text is not UTF-8; send it as UTF-8.") from error
    except ValueError as error:
        raise Problem(BAD_REQUEST, "The form has too many fields.") from error


def _together(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The fields of a form; one that was sent more than once is a list, as it would be in JSON."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        known = found.get(name)
        found[name] = value if known is None else [*(known if isinstance(known, list) else [known]), value]
    return found


async def _multipart(request: Request) -> tuple[Mapping[str, Any], Mapping[str, IO[bytes]]]:
    """A form with files, which are kept only once it is known who sends them."""
    state = app_state(request)
    limit = upload_max(state.settings)
    bounded = Request(request.scope, _bounded(request, limit))
    texts: list[tuple[str, str]] = []
    files: dict[str, IO[bytes]] = {}
    try:
        async with (
            asyncio.timeout(PATIENCE),
            bounded.form(max_files=FILES_MAX, max_fields=FIELDS_MAX, max_part_size=JSON_MAX) as form,
        ):
            for name, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    texts.append((name, value))
                elif name not in FILES:
                    known = ", ".join(FILES)
                    raise Problem(
                        INVALID, f"{name[:40]} is no file of this API; there are: {known}.", errors=[]
                    )
                elif not value.size and value.filename:
                    raise refused(name, "is an empty file")
                elif value.size and FILES[name] in files:
                    raise refused(name, "is the second file for the same use; send one")
                elif value.size:
                    files[FILES[name]] = await anyio.to_thread.run_sync(_copied, value.file, limiter=THREADS)
    except MultiPartException as error:
        raise Problem(BAD_REQUEST, f"The form cannot be read: {error.message}") from error
    except TimeoutError as error:
        raise Problem(BAD_REQUEST, "The body did not arrive in full.") from error
    return _together(texts), files


def _bounded(request: Request, limit: int) -> Any:
    """The request's body, up to a limit."""
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > limit:
            detail = f"A body may have {limit // 10**6} MB."
            raise Problem(TOO_LARGE, detail)
        return message

    return receive


def _copied(file: IO[bytes]) -> IO[bytes]:
    """The file beside the form, which closes its own."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115  the reader closes it
    file.seek(0)
    shutil.copyfileobj(file, copy, BLOCK)
    copy.seek(0)
    return copy
