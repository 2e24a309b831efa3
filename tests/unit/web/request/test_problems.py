from __future__ import annotations

import orjson
import pytest

from nginx.problem import PROBLEMS
from web.request.problems import INVALID, KINDS, Problem, of_status


def test_a_document_has_the_members_of_rfc_9457():
    problem = Problem(INVALID, "prompt is missing.", errors=[{"field": "prompt", "detail": "is missing"}])
    response = problem.response(path="/v1/jobs", trace_id="0" * 31 + "1")
    assert response.media_type == "application/problem+json"
    assert orjson.loads(response.body) == {
        "type": "/problems/invalid_request",
        "title": "The request is not valid",
        "status": 422,
        "detail": "prompt is missing.",
        "instance": "/v1/jobs",
        "trace_id": "0" * 31 + "1",
        "errors": [{"field": "prompt", "detail": "is missing"}],
    }


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 416, 422, 429, 500, 502, 503, 418])
def test_every_status_has_a_problem(status):
    problem = of_status(status)
    assert problem.kind.slug in KINDS
    assert problem.kind.status == (500 if status == 502 else status)  # an answer of ours, not of a proxy


def test_the_gateway_and_the_app_call_the_same_things_by_the_same_names():
    """A client sees one list of types, whoever refused it: those of nginx's own that we also give."""
    for theirs in PROBLEMS:
        if theirs.slug in KINDS and theirs.slug not in {"bad_request", "timeout", "unavailable"}:
            assert KINDS[theirs.slug].status == theirs.code
    assert {"bad_request", "not_found", "rate_limited", "body_too_large", "unavailable"} <= {
        theirs.slug for theirs in PROBLEMS
    } & KINDS.keys()
