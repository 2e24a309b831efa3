"""Every operation answers as documented, whatever it is asked: schemathesis against a real process."""

from __future__ import annotations

import contextlib
import itertools

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.servers.tutti import free_port
from tests.servers.web import process

WAITING = {"/generate", "/v1/jobs/{job_id}/events"}  # these wait for a song to end
# A schema cannot say that prompts are trimmed, or that a cover needs an upload that is here.
UNSAID = [positive_data_acceptance]
EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def explore(url: str) -> int:
    """Ask every operation; the number of operations."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    asked = [operation for operation in operations if operation.path not in WAITING]
    for operation, mode in itertools.product(asked, GenerationMode):

        @EXAMPLES
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case):
            case.call_and_validate(timeout=10, excluded_checks=UNSAID)

        with contextlib.suppress(Unsatisfiable):  # what takes nothing cannot be given anything wrong
            ask()
    return len(asked)


@pytest.mark.timeout(180)
def test_answers_are_as_the_schema_says(tmp_path):
    port = free_port()
    with process(tmp_path, port=port, max_queued="100000") as web:
        assert explore(web.url) >= 15
        assert web.lines("http.error") == []
