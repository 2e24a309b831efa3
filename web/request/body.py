"""Reading a request's body: bounded in size and time, and of the right type."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from web.request.fields import fields, whole_number
from web.request.http import JSON_MAX
from web.request.problems import BAD_REQUEST, MEDIA, TOO_LARGE, Problem

PATIENCE = 30.0  # seconds for a whole body; nginx cuts slow clients earlier


async def read(request: Request, limit: int = JSON_MAX) -> bytes:
    """The whole body.

    Raises:
        Problem: 413 where it is larger than `limit` bytes, 400 where it does not arrive.
    """
    announced = whole_number(fields(request.scope).get("content-length", ""))
    if announced is not None and announced > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
    except (TimeoutError, ClientDisconnect) as error:
        raise Problem(BAD_REQUEST, "The body did not arrive in full.") from error
    return b"".join(chunks)


def _too_large(limit: int) -> Problem:
    # the rest of the body is not read, so the connection cannot be used again
    return Problem(TOO_LARGE, f"The body may have {limit:,} bytes.", headers={"connection": "close"})


def media_type(request: Request) -> str:
    """The content type without its parameters, lower case."""
    return fields(request.scope).get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request, limit: int = JSON_MAX) -> bytes:
    """The body's bytes, of a request that says they are JSON; parsing is the model's."""
    kind = media_type(request)
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(MEDIA, f"Send Content-Type: application/json, not {kind or 'none'}.")
    return await read(request, limit)


async def read_form(request: Request, limit: int = JSON_MAX) -> dict[str, str]:
    """The fields of an urlencoded form, the last value of each."""
    if media_type(request) != "application/x-www-form-urlencoded":
        raise Problem(MEDIA, "Send Content-Type: application/x-www-form-urlencoded.")
    text = (await read(request, limit)).decode("utf-8", errors="replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
    except ValueError as error:
        raise Problem(BAD_REQUEST, "The form has too many fields.") from error
