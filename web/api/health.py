"""Whether this process lives, and whether it can take jobs."""

from __future__ import annotations

import asyncio
import time

import anyio
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tasks.jobs import JobError
from web.api import memory
from web.request.problems import NOT_READY, Problem
from web.request.state import FILES, AppState, app_state

router = APIRouter(tags=["health"])

PATIENCE = 3.0  # seconds
MEMORY_FULL = 97.0  # percent; beyond it the kernel soon kills someone
FRESH = 1.0  # seconds that an answer is good for, however many ask


@router.get("/livez", responses={200: {"content": {"text/plain": {}}}})
async def livez() -> Response:
    """This process answers."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


@router.get("/readyz", responses={200: {"content": {"text/plain": {}}}})
async def readyz(request: Request) -> Response:
    """Whether this process can take jobs: the ledger answers, the storage is writable, the queue has room."""
    reason = await reason_not_ready(app_state(request))
    if reason:
        raise Problem(NOT_READY, reason, headers={"retry-after": "5"})
    return PlainTextResponse("ready\n", headers={"cache-control": "no-store"})


async def reason_not_ready(state: AppState) -> str | None:
    """Why no job can be taken now, or None. Asked once a second, however many want to know."""
    async with state.pulse.lock:
        if time.monotonic() - state.pulse.at > FRESH:
            state.pulse.reason = await _reason(state)
            state.pulse.at = time.monotonic()
    return state.pulse.reason


def _look_at_storage(state: AppState) -> None:
    """Raise unless a song could be stored; a NAS that has come meanwhile, and was none yet, is prepared."""
    try:
        state.storage.check()
    except JobError:
        if state.settings.storage is None:
            raise
        state.storage.prepare()
        state.storage.check()


async def _reason(state: AppState) -> str | None:
    try:
        async with asyncio.timeout(PATIENCE):
            counters = await asyncio.to_thread(state.ledger.views.counters)
    except Exception:
        return "The ledger does not answer."
    if state.ledger.held_up:
        return f"{state.ledger.why_held_up.capitalize()}."
    state.pulse.queued = int(counters.get("queued", 0))
    if state.pulse.queued >= state.settings.max_queued:
        return f"{state.pulse.queued:,} songs are waiting, which is as many as may."
    if await asyncio.to_thread(memory.used_percent) >= MEMORY_FULL:
        return "The memory of this machine, or of its container, is nearly used up."
    try:
        await anyio.to_thread.run_sync(_look_at_storage, state, limiter=FILES)
    except JobError as error:
        return f"{error.detail[0].upper()}{error.detail[1:]}."
    return None
