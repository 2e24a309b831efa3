"""The answer of a chat: one document when the song is finished, or chunks until then."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tasks.jobs import Job, JobState
from tasks.storage.folders import located
from web.api.acestep import support
from web.api.acestep.results import songs
from web.api.generate import end_of, failed
from web.api.jobs import answer, find
from web.request.http import MEDIA_TYPES
from web.request.problems import UNAVAILABLE, Problem
from web.request.state import FILES, app_state

BEAT = 2.0  # seconds between two signs of life in a stream
SILENT = frozenset({"", "[inst]", "[instrumental]"})


async def whole(request: Request, job_id: str, notes: Sequence[str]) -> Response:
    """Wait for the song and answer with it.

    Raises:
        Problem: 500 where no song came of it, 504 where it takes too long.
    """
    await end_of(app_state(request), job_id)
    job = await find(request, job_id)
    if job.state is not JobState.SUCCEEDED:
        raise failed(app_state(request), job)
    message = {"role": "assistant", "content": words(job, notes), "audio": await _audio(request, job)}
    choice = {"index": 0, "finish_reason": "stop", "message": message | {"audio_codes": None}}
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    document = _head(request, job_id, "chat.completion") | {"choices": [choice], "usage": usage}
    return answer(document, headers={"location": app_state(request).public.path(f"/v1/jobs/{job_id}")})


class Stream(StreamingResponse):
    """Chunks: a role, dots, the words, the audio, the end. The job goes on if the client leaves."""

    media_type = "text/event-stream"

    def __init__(self, request: Request, job_id: str, notes: Sequence[str]) -> None:
        place = app_state(request).public.path(f"/v1/jobs/{job_id}")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no", "location": place}
        super().__init__(iter(()), headers=headers)
        self._request, self._job_id, self._notes = request, job_id, notes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.body_iterator = self._chunks()
        await super().__call__(scope, receive, send)

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield self._chunk({"role": "assistant", "content": ""})
        waiting = asyncio.create_task(end_of(app_state(self._request), self._job_id))
        try:
            while not (await asyncio.wait({waiting}, timeout=BEAT))[0]:
                yield self._chunk({"content": "."})
            await waiting
            job = await find(self._request, self._job_id)
            if job.state is not JobState.SUCCEEDED:
                raise failed(app_state(self._request), job)
            yield self._chunk({"content": words(job, self._notes)})
            yield self._chunk({"audio": await _audio(self._request, job)})
            yield self._chunk({}, "stop")
        except Problem as problem:
            yield self._chunk({"content": f"\n\nError: {problem.detail}"})
            yield self._chunk({}, "error")
        finally:
            waiting.cancel()
        yield b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        document = _head(self._request, self._job_id, "chat.completion.chunk") | {"choices": [choice]}
        return b"data: " + orjson.dumps(document) + b"\n\n"


def _head(request: Request, job_id: str, kind: str) -> dict[str, Any]:
    state = app_state(request)
    model = support.names_of(support.served(state), state.settings)[0]
    return {
        "id": f"chatcmpl-{job_id}",
        "object": kind,
        "created": int(time.time()),
        "model": f"{support.PREFIX}{model}",
    }


def words(job: Job, notes: Sequence[str]) -> str:
    """What the assistant says of a song."""
    wanted = job.request
    known = {
        "Caption": wanted.prompt, "BPM": wanted.bpm, "Duration": f"{wanted.duration:g}s",
        "Key": wanted.key_scale,        "Time Signature": (wanted.time_signature or "").partition("/")[0],
    }  # fmt: skip
    lines = [f"**{name}:** {value}" for name, value in known.items() if value]
    parts = ["## Metadata\n" + "\n".join(lines)]
    if wanted.lyrics.strip().lower() not in SILENT:
        parts.append(f"## Lyrics\n{wanted.lyrics}")
    if notes:
        parts.append("## Notes\n" + "\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts)


async def _audio(request: Request, job: Job) -> list[dict[str, Any]]:
    """The first song as a data URL."""
    song = songs(job, str)[0]
    storage, name = app_state(request).settings.storage_path, job.stored_as(song["name"]) or song["name"]
    try:
        raw = await anyio.to_thread.run_sync(lambda: located(storage, name).read_bytes(), limiter=FILES)
    except OSError as error:
        raise Problem(UNAVAILABLE, "The song cannot be read now.", headers={"retry-after": "5"}) from error
    kind = MEDIA_TYPES[song["format"]].partition(";")[0]
    url = f"data:{kind};base64,{base64.b64encode(raw).decode()}"
    return [{"type": "audio_url", "audio_url": {"url": url}}]
