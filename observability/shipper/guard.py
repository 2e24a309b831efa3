"""The look that makes delivery exactly once: which lines of an interrupted bulk are there already.

A deterministic id and `create` refuse a second copy only within one backing index. After a rollover the same
id is free again, so lines that may have been sent are looked for on every backing index since the one that
was newest before they were sent. The look is realtime (`mget`), and waits until no bulk of ours still runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from observability.shipper.line import Line

SETTLE_SECONDS = 1.0  # a request in the socket's buffer becomes a task within this, on a busy node too
RUNNING_MAX_SECONDS = 120.0
BULK_ACTIONS = "indices:data/write/bulk*"


def generation(index: str) -> int:
    """Read the number that ends a backing index's name (`.ds-logs-tutti.web-default-2026.11.23-000007`)."""
    return int(index.rsplit("-", 1)[1])


def backing_indices(server: Elasticsearch, stream: str) -> list[str]:
    """List the stream's backing indices, oldest first; none if it does not exist yet."""
    answer = server.indices.resolve_index(name=stream, expand_wildcards="all").body
    for found in answer["data_streams"]:
        if found["name"] == stream:
            indices = found["backing_indices"]
            return sorted([indices] if isinstance(indices, str) else indices, key=generation)
    return []


def newest_generation(server: Elasticsearch, stream: str) -> int:
    """Number of the stream's newest backing index; 0 if there is none."""
    try:
        indices = backing_indices(server, stream)
    except ApiError as problem:
        if problem.meta.status == 404:
            return 0
        raise
    return generation(indices[-1]) if indices else 0


def missing(server: Elasticsearch, stream: str, lines: Sequence[Line], since: int) -> list[Line]:
    """Find those of `lines` that are on no backing index of generation `since` or later.

    Args:
        server: The client.
        stream: The data stream.
        lines: What may have been sent.
        since: Generation of the newest backing index before it was.

    Returns:
        The lines that have to be sent, in order.
    """
    wanted = {line.id.decode(): line for line in lines}
    for index in reversed(_indices_since(server, stream, since)):
        for document in _get(server, index, list(wanted)):
            if document.get("found"):
                del wanted[document["_id"]]
        if not wanted:
            break
    return list(wanted.values())


def _indices_since(server: Elasticsearch, stream: str, since: int) -> list[str]:
    try:
        return [index for index in backing_indices(server, stream) if generation(index) >= since]
    except ApiError as problem:
        if problem.meta.status == 404:
            return []
        raise


def _get(server: Elasticsearch, index: str, ids: list[str]) -> list[dict[str, Any]]:
    answer = server.mget(index=index, ids=ids, source=False, filter_path="docs._id,docs.found").body
    documents: list[dict[str, Any]] = answer.get("docs", [])
    return documents


def wait_until_settled(
    server: Elasticsearch, unsettled: Callable[[str], bool], stopping: threading.Event
) -> None:
    """Wait until the server carries out none of the bulks in question any more.

    Args:
        server: The client.
        unsettled: Says of an `X-Opaque-Id` whether it names such a bulk.
        stopping: Ends the wait.
    """
    stopping.wait(SETTLE_SECONDS)
    give_up = time.monotonic() + RUNNING_MAX_SECONDS
    while any(map(unsettled, _running(server))) and time.monotonic() < give_up and not stopping.wait(0.1):
        pass


def _running(server: Elasticsearch) -> list[str]:
    accept = {"accept": "application/json"}  # by path, because the client warns of a preview at each call
    answer = server.perform_request("GET", "/_tasks", params={"actions": BULK_ACTIONS}, headers=accept).body
    tasks = [task for node in answer.get("nodes", {}).values() for task in node.get("tasks", {}).values()]
    return [task.get("headers", {}).get("X-Opaque-Id", "") for task in tasks]
