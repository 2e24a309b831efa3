"""`/v1/admin/cluster`: every part of every host, with its state and the cause in words; for keepers."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from tasks import cluster
from tasks.cluster import ClusterView, PartState
from tasks.ledger import LedgerUnavailable
from tasks.queue.control import answering
from web.api.jobs import answer
from web.request.keeper import require_keeper
from web.request.problems import UNAVAILABLE, Problem
from web.request.state import app_state

router = APIRouter(prefix="/v1/admin", tags=["operating"])


class Part(BaseModel):
    """One process of the cluster."""

    kind: str = Field(description="gateway, web, dispatch or worker.")
    name: str
    node: str = Field(description="Its machine.")
    version: str
    state: str = Field(description="In a word or two: see docs/operating.md, 'One view'.")
    reason: str | None = Field(description="What is the matter, and what to do.")
    well: bool
    silent_seconds: float = Field(description="Since its last word.")
    facts: dict[str, Any]


class Cluster(BaseModel):
    """The whole cluster at one moment."""

    troubles: list[str] = Field(description="What is wrong, in sentences; empty where nothing is.")
    broker: str
    parts: list[Part]
    storage: dict[str, dict[str, Any]] = Field(description="By machine: free and total bytes, or an error.")
    queues: dict[str, dict[str, float]]


@router.get("/cluster", response_model=Cluster)
async def show(request: Request) -> Response:
    """Every part of every host, with its state and the cause in words."""
    await require_keeper(request)
    state = app_state(request)
    try:
        seen = await asyncio.to_thread(cluster.survey, state.ledger, partial(answering, state.settings))
    except LedgerUnavailable as error:
        raise Problem(UNAVAILABLE, f"Nothing is known: {error}", headers={"retry-after": "5"}) from error
    return answer(document(seen))


def document(seen: ClusterView) -> dict[str, Any]:
    """The view as JSON."""
    return {
        "troubles": list(seen.troubles),
        "broker": seen.broker,
        "parts": [_part(part) for part in seen.parts],
        "storage": seen.storage,
        "queues": {
            queue.name: {
                "waiting": queue.waiting,
                "released": queue.released,
                "running": queue.running,
                "oldest_seconds": round(queue.oldest_seconds, 1),
            }
            for queue in seen.queues
        },
    }


def _part(part: PartState) -> dict[str, Any]:
    names = ("kind", "name", "node", "version", "state", "reason", "well", "facts")
    return {name: getattr(part, name) for name in names} | {"silent_seconds": round(part.silent_seconds, 1)}
