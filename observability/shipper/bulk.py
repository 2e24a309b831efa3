"""Bulk requests of raw lines, and what an answer means for each line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elastic_transport import ConnectionError as Lost
from elastic_transport import ConnectionTimeout
from elasticsearch import ApiError, Elasticsearch

from observability import trust
from observability.shipper.line import Line

FILTER = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.failure_store"
HEADERS = {"accept": "application/json", "content-type": "application/x-ndjson"}
REASON_MAX = 500


class Uncertain(Exception):
    """The request may have been carried out or not: its lines have to be looked for."""


class RequestRefused(Exception):
    """Nothing of the request was taken.

    Attributes:
        status: The HTTP status, such as 429 (busy), 413 (too large), 401 (key not valid).
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}"[:REASON_MAX])
        self.status = status


@dataclass
class BulkOutcome:
    """What became of the lines of one bulk request."""

    delivered: int = 0
    repeated: int = 0
    stored_as_failure: int = 0
    again: list[Line] = field(default_factory=list)
    dead: list[tuple[Line, str]] = field(default_factory=list)
    reason: str = ""


def client(
    url: str, api_key: str | None, *, timeout: float = 30.0, bundle: Path | None = None
) -> Elasticsearch:
    """Make a client that never retries by itself, because a retry needs the look first."""
    trusting: dict[str, Any] = {"ssl_context": trust.context(bundle)} if url.startswith("https:") else {}
    return Elasticsearch(
        url,
        api_key=api_key,
        request_timeout=timeout,
        max_retries=0,
        retry_on_timeout=False,
        http_compress=False,
        **trusting,
    )


def body(lines: Sequence[Line]) -> bytes:
    """The NDJSON of a bulk request: each line's bytes as they are, below its `create`."""
    parts = []
    for line in lines:
        parts.append(b'{"create":{"_id":"%b"}}' % line.id)
        parts.append(line.text)
    parts.append(b"")
    return b"\n".join(parts)


def send(
    server: Elasticsearch, stream: str, lines: Sequence[Line], content: bytes, *, opaque_id: str
) -> BulkOutcome:
    """Create the lines as documents of a data stream.

    Args:
        server: A client made by `client`.
        stream: The data stream; it is refused if it is none (`require_data_stream`).
        lines: The lines.
        content: Their `body`, made before so that no request in flight waits for it.
        opaque_id: Names this shipper in the server's task list.

    Raises:
        RequestRefused: The server answered, and took nothing.
        Uncertain: No answer came.
    """
    try:
        response = server.perform_request(
            "POST",
            f"/{stream}/_bulk",
            params={"require_data_stream": "true", "filter_path": FILTER},
            headers={**HEADERS, "x-opaque-id": opaque_id},
            body=content,
        )
    except (Lost, ConnectionTimeout) as problem:
        raise Uncertain(str(problem)) from problem
    except ApiError as problem:
        raise _from_status(problem.meta.status, str(problem)) from problem
    return _read(response.body, lines)


def _from_status(status: int, reason: str) -> Exception:
    """A proxy's 502 or 504 says nothing of the server behind it; its own 429 and 503 took nothing."""
    return Uncertain(reason) if status in {500, 502, 504} else RequestRefused(status, reason)


def _read(response: Any, lines: Sequence[Line]) -> BulkOutcome:
    items = [next(iter(item.values())) for item in response["items"]]
    if len(items) != len(lines):
        raise Uncertain(f"{len(items)} answers for {len(lines)} lines")
    if not response["errors"]:
        stored = sum(item.get("failure_store") == "used" for item in items)
        return BulkOutcome(delivered=len(lines), stored_as_failure=stored)
    answer = BulkOutcome()
    for line, item in zip(lines, items, strict=True):
        _sort(answer, line, item)
    return answer


def _sort(answer: BulkOutcome, line: Line, item: dict[str, Any]) -> None:
    """Put one line where its status says: Beats' rules, but no missing stream is a line's fault."""
    status = item["status"]
    if status < 300:
        answer.delivered += 1
        answer.stored_as_failure += item.get("failure_store") == "used"
    elif status == 409:
        answer.repeated += 1
    else:
        error = item.get("error", {})
        reason = f"{status} {error.get('type', '')}: {error.get('reason', '')}"[:REASON_MAX]
        if status in {401, 403, 404, 429} or status >= 500:
            answer.again.append(line)
            answer.reason = reason
        else:
            answer.dead.append((line, reason))
