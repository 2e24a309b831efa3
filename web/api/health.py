"""Whether this process lives, can take jobs, and what the devices do."""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import suppress
from typing import Any

import anyio
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from observability import metrics
from observability.certificate import ends_at
from tasks.jobs import JobError
from tasks.ledger import WorkerView
from web.api import memory
from web.api.jobs import answer
from web.request.keeper import require_keeper
from web.request.problems import NOT_READY, Problem
from web.request.state import FILES, AppState, app_state

router = APIRouter(tags=["health"])

PATIENCE = 3.0  # seconds
MEMORY_FULL = 97.0  # percent; beyond it the kernel soon kills someone
MISSED_SECONDS = 3600.0  # so long a lost worker is shown, and missed; then it is thought to be gone for good
FRESH = 1.0  # seconds that an answer is good for, however many ask


class Health(BaseModel):
    """What the devices do."""

    status: str
    model_loaded: bool
    gpu_memory_used: int
    gpu_memory_total: int
    workers: int
    queued: int


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


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
async def prometheus(request: Request) -> Response:
    """Prometheus' text format, for keepers only."""
    state = app_state(request)
    await require_keeper(request)
    await asyncio.to_thread(_measure, state)
    body, media_type = metrics.render()
    return Response(body, headers={"content-type": media_type, "cache-control": "no-store"})


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
            counters = await asyncio.to_thread(state.ledger.counters)
    except Exception:
        return "The ledger does not answer."
    if state.ledger.held_up:
        return "Another process holds the ledger and does not go on; end it."
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


def _measure(state: AppState) -> None:
    """Bring the gauges that this process answers for up to date."""
    counters = state.ledger.counters()
    metrics.jobs_open.set(sum(counters.get(state, 0) for state in ("queued", "running")))
    for gauge in (metrics.queue_depth, metrics.oldest_queued_seconds):
        gauge.clear()  # an emptied queue is not listed any more
    for view in state.ledger.queues():
        metrics.queue_depth.labels(view.name).set(view.waiting + view.released)
        metrics.oldest_queued_seconds.labels(view.name).set(view.oldest_seconds)
    metrics.worker_heartbeat_timestamp_seconds.clear()
    for worker in state.ledger.workers():
        if not worker.retired and state.ledger.now() - worker.seen_at < MISSED_SECONDS:
            metrics.worker_heartbeat_timestamp_seconds.labels(worker.id).set(worker.seen_at)
    if state.settings.tls_certificate:
        with suppress(OSError):  # nginx may be away; the last answer stays
            metrics.certificate_expiry.set(ends_at(state.settings.own_host, state.settings.port))
    usage = shutil.disk_usage(state.settings.storage_path)
    metrics.storage_free_bytes.set(usage.free)
    metrics.storage_total_bytes.set(usage.total)
