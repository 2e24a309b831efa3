"""Whether this process lives, can take jobs, and what the devices do."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import anyio
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tasks.jobs import JobError
from tasks.ledger import WorkerView
from web.api import memory
from web.api.acestep import models
from web.api.jobs import answer
from web.request.problems import NOT_READY, Problem
from web.request.state import FILES, AppState, app_state

router = APIRouter(tags=["health"])

PATIENCE = 3.0  # seconds
MEMORY_FULL = 97.0  # percent; beyond it the kernel soon kills someone
FRESH = 1.0  # seconds that an answer is good for, however many ask


class Health(BaseModel):
    """What the devices do."""

    status: str
    model_loaded: bool
    gpu_memory_used: int
    gpu_memory_total: int
    workers: int
    queued: int
    data: dict[str, Any] = Field(description="The same for ACE-Step's clients.")


@router.get("/livez", responses={200: {"content": {"text/plain": {}}}})
async def livez() -> Response:
    """This process answers."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


@router.get("/health", response_model=Health)
async def health(request: Request) -> Response:
    """The devices' state: `healthy` where a worker lives, else `degraded`."""
    state = app_state(request)
    alive = [worker for worker in state.route.workers if worker.alive]
    reason = await reason_not_ready(state)
    content = {
        "status": "unavailable" if reason else "healthy" if alive else "degraded",
        "model_loaded": any(worker.model_loaded for worker in alive),
        "gpu_memory_used": sum(worker.gpu_memory_used or 0 for worker in alive),
        "gpu_memory_total": sum(worker.gpu_memory_total or 0 for worker in alive),
        "workers": len(alive),
        "queued": state.pulse.queued,
        "devices": [_device(worker) for worker in alive],
        # ACE-Step's clients look below `data`.
        "data": models.health(state, ready=not reason),
        "code": 503 if reason else 200,
        "error": reason,
        "timestamp": time.time_ns() // 10**6,
    } | ({"reason": reason} if reason else {})
    return answer(content, 503 if reason else 200)


def _device(worker: WorkerView) -> dict[str, Any]:
    return {
        "worker": worker.id,
        "device": worker.device,
        "engine": worker.engine,
        "model_version": worker.model_version,
        "model_loaded": worker.model_loaded,
        "gpu_memory_used": worker.gpu_memory_used,
        "gpu_busy": worker.gpu_busy,
        "temperature": worker.temperature,
        "running": worker.running,
    }


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
            state.pulse.reason = await _look(state)
            state.pulse.at = time.monotonic()
    return state.pulse.reason


async def _look(state: AppState) -> str | None:
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
        await anyio.to_thread.run_sync(state.storage.check, limiter=FILES)
    except JobError as error:
        return f"{error.detail[0].upper()}{error.detail[1:]}."
    return None
