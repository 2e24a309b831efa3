"""The log line and the count of what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request

from observability import metrics
from observability.logging import get_logger
from web.request.context import RequestContext, context_of
from web.request.problems import Problem

log = get_logger()


@contextmanager
def refusals(request: Request) -> Iterator[dict[str, int]]:
    """Leave a job.refused line for what is refused in the block; yields a place for the prompt's length."""
    lengths: dict[str, int] = {}
    try:
        yield lengths
    except Problem as problem:
        metrics.jobs_refused.labels(problem.reason).inc()
        note_refusal(context_of(request), "job.refused", problem, prompt={"chars": lengths.get("prompt")})
        raise


def note_refusal(context: RequestContext, action: str, problem: Problem, **known: Any) -> None:
    """Leave the line of one refusal."""
    log.info(
        action,
        message=f"refused: {problem.kind.title}",
        event={"outcome": "failure"},
        trace={"id": context.trace_id},
        source={"ip": context.address},
        tutti={"reason": problem.reason, **known},
    )
