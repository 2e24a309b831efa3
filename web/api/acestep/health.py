"""`/health`, in the words of ACE-Step's clients and, beside them, what the devices do."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from tasks.ledger import WorkerView
from web.api.acestep import models
from web.api.health import reason_not_ready
from web.api.jobs import answer
from web.request.state import app_state

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """What the devices do."""

    status: str
    model_loaded: bool
    gpu_memory_used: int
    gpu_memory_total: int
    workers: int
    queued: int
    data: dict[str, Any] = Field(description="The same for ACE-Step's clients.")


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
