"""`/output/<name>`: finished files, where no nginx stands in front to serve them from the disk itself."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from tasks.jobs import Job
from tasks.security import links
from tasks.storage.folders import places_of
from web.request import client, conditional
from web.request.auth import gets_links
from web.request.fields import state_of
from web.request.http import JOB_ID_PATTERN, MEDIA_TYPES, shared_cache_may_keep
from web.request.problems import FORBIDDEN, LINK_EXPIRED, NOT_FOUND, RANGE, UNAVAILABLE, Problem
from web.request.state import FILES, app_state

NAME = re.compile(rf"(?P<id>{JOB_ID_PATTERN})(?:-[2-8])?\.(?P<extension>{'|'.join(MEDIA_TYPES)})")
BYTES = b"bytes="
RANGES = re.compile(r"\d{0,18}-\d{0,18}(?:\s*,\s*\d{0,18}-\d{0,18}){0,15}", re.ASCII)
IMMUTABLE = "max-age=31536000, immutable"
PATIENCE = 10.0  # seconds for a NAS that hangs


async def serve(request: Request) -> Response:
    """The file that the path names."""
    require_link(request, request.scope["path"], request.query_params)
    return await send(request, request.path_params["name"])


def require_link(request: Request, path: str, query: Mapping[str, str]) -> None:
    """Refuse a song whose link is not signed, where links have to be.

    Raises:
        Problem: 403, or 410 where the link was good once.
    """
    known = app_state(request).links
    if not known.are_signed:
        return
    if not links.holds(path, query, known.key):
        raise Problem(FORBIDDEN, "This link is not signed; take it from the job.")
    if links.expired(query):
        raise Problem(LINK_EXPIRED, LINK_EXPIRED.meaning)


async def require_own_or_link(request: Request, job: Job) -> None:
    """Refuse another form of a song, where links have to be signed, to who neither owns it nor has a link.

    Raises:
        Problem: 403, or 410 where the link was good once.
    """
    if not await gets_links(request, job):
        require_link(request, request.scope["path"], request.query_params)


async def send(
    request: Request, name: str, *, tag: str | None = None, attached_as: str | None = None
) -> Response:
    """One finished file, whole or in ranges.

    Equal requests share a file, which lies under the name of the job that made it.

    Args:
        request: For its Range, If-None-Match and If-Range.
        name: Of the file.
        tag: Its ETag; without one, what nginx would give it.
        attached_as: The name under which browsers are to keep it, where they are not to play it.

    Raises:
        Problem: 404 for whatever is not a published file's name; 503 where the storage does not answer.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise _nothing()
    storage = app_state(request).settings.storage_path
    found = await _find(storage, name)
    if found is None:
        found = await _find(storage, await _shared(request, match["id"], name))
    if found is None:
        raise _nothing()
    path, status = found
    headers = {"cache-control": lasting(request), "etag": tag or etag(status)}
    conditional.require(request, headers["etag"], status.st_mtime)
    if conditional.unchanged(request, headers["etag"], status.st_mtime):
        return Response(status_code=304, headers=headers)
    _check_range(request, status.st_size)
    return SongFile(
        path,
        headers=headers,
        media_type=MEDIA_TYPES[match["extension"]],
        filename=attached_as or name,
        content_disposition_type="attachment"
        if attached_as or "download" in request.query_params
        else "inline",
        stat_result=status,
    )


class SongFile(FileResponse):
    """A file; to HEAD its headers alone, unread; whole where a range is asked in a unit that nobody knows."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method = "HEAD" if state_of(scope)["context"].only_head else scope["method"]
        headers = [(name, value) for name, value in scope["headers"] if name != b"range" or _in_bytes(value)]
        await super().__call__({**scope, "method": method, "headers": headers}, receive, send)


def lasting(request: Request) -> str:
    """How long what never changes may be kept, and whether by more than who asked."""
    everyone = shared_cache_may_keep(app_state(request).settings)
    return f"{'public' if everyone else 'private'}, {IMMUTABLE}"


def _nothing() -> Problem:
    return Problem(NOT_FOUND, "There is no such file; the song may not be finished, or has expired.")


async def _shared(request: Request, job_id: str, name: str) -> str:
    """The file of an equal request that a job's name stands for.

    Raises:
        Problem: 404.
    """
    look = await app_state(request).looks.ask(job_id)
    stored = look.job.stored_as(name) if look else None
    if stored is None or stored == name:
        raise _nothing()
    return stored


async def hand_over(request: Request) -> Response:
    """`/-/shared/<name>`: tells nginx, which has not found a file of this name, which one to send instead."""
    state, name = app_state(request), request.path_params["name"]
    match = NAME.fullmatch(name)
    if match is None or not client.through_gateway(request.scope, state.proxies):
        raise _nothing()
    saved = "attachment" if "download" in request.query_params else "inline"
    headers = {
        "x-accel-redirect": f"/-/song/{await _shared(request, match['id'], name)}",
        "content-type": MEDIA_TYPES[match["extension"]],
        "content-disposition": f'{saved}; filename="{name}"',
        "cache-control": lasting(request),
    }
    return Response(status_code=200, headers=headers)


async def _find(storage: Path, name: str) -> tuple[Path, os.stat_result] | None:
    """A regular file of that name, wherever in the storage it lies."""
    for path in places_of(storage, name):
        if (status := await status_of(path)) is not None:
            return path, status
    return None


async def status_of(path: Path) -> os.stat_result | None:
    """What the disk says of a regular file; a symlink is not one.

    Raises:
        Problem: 503 where the storage does not answer in time.
    """
    try:
        with anyio.fail_after(PATIENCE):  # a thread that hangs on the NAS is left behind
            status = await anyio.to_thread.run_sync(os.lstat, path, abandon_on_cancel=True, limiter=FILES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, TimeoutError) as error:
        headers = {"retry-after": "5"}
        raise Problem(UNAVAILABLE, "The storage does not answer; try again.", headers=headers) from error
    return status if stat.S_ISREG(status.st_mode) else None


def etag(status: os.stat_result) -> str:
    """Nginx's own ETag, so that a cache keeps its copy when a gateway is put in front."""
    return f'"{int(status.st_mtime):x}-{status.st_size:x}"'


def _check_range(request: Request, size: int) -> None:
    """Refuse ranges that the file cannot satisfy, as a problem document (Starlette answers plain text).

    A range in a unit other than bytes is ignored (RFC 9110, 14.2), as nginx does it.

    Raises:
        Problem: 416.
    """
    ranges = request.headers.get("range")
    if ranges is None or "if-range" in request.headers or not _in_bytes(ranges.encode("latin-1")):
        return
    parts = [part.strip().partition("-") for part in ranges[len(BYTES) :].split(",")]
    if not RANGES.fullmatch(ranges[len(BYTES) :]) or not any(
        _within(start, end, size) for start, _, end in parts
    ):
        detail = f"The file has {size:,} bytes; ask for some of them, such as bytes=0-1023."
        raise Problem(RANGE, detail, headers={"content-range": f"bytes */{size}"})


def _in_bytes(ranges: bytes) -> bool:
    return ranges[: len(BYTES)].lower() == BYTES


def _within(start: str, end: str, size: int) -> bool:
    if not start:
        return bool(end) and int(end) > 0
    return int(start) < size and (not end or int(start) <= int(end))
