"""Every operation answers as documented, whatever it is asked: schemathesis against a real process."""

from __future__ import annotations

import contextlib
import itertools
import tempfile

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tasks.settings import Settings
from tests.servers.tutti import free_port
from tests.servers.web import process
from web.app import create_app
from web.request.problems import KINDS

WAITING = {"/generate", "/v1/jobs/{job_id}/events", "/v1/chat/completions"}  # these wait for a song to end
# These need a language model that is not here, and say 503 as ACE-Step's own server does.
NO_MODEL = {"/format_input", "/v1/create_sample"}
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
            answer = case.call(timeout=30)
            away = answer.status_code == 503 and case.operation.path in NO_MODEL
            if away:
                assert answer.json()["type"] == "/problems/no_language_model"
            case.validate_response(answer, excluded_checks=UNSAID + [not_a_server_error] * away)

        with contextlib.suppress(Unsatisfiable):  # what takes nothing cannot be given anything wrong
            ask()
    return len(asked)


@pytest.mark.timeout(180)
def test_answers_are_as_the_schema_says(tmp_path):
    port = free_port()
    with process(tmp_path, port=port, max_queued="100000") as web:
        assert explore(web.url) >= 15
        assert web.lines("http.error") == []


@pytest.mark.timeout(300)
def test_what_follows_from_a_job_answers_as_the_schema_says(tmp_path):
    """Stateful: jobs are made, and what their answers link to is asked in any order."""
    port = free_port()
    with process(tmp_path, port=port, max_queued="100000") as web:
        schema = schemathesis.openapi.from_url(f"{web.url}/openapi.json")
        jobs = schema.include(path_regex="^/v1/jobs").exclude(path_regex="/events$")
        machine = jobs.as_state_machine()

        class Jobs(machine):
            def validate_response(self, response, case, **options):
                case.validate_response(response, excluded_checks=UNSAID)

        run_state_machine_as_test(Jobs, settings=settings(EXAMPLES, max_examples=8, stateful_step_count=6))
        assert web.lines("http.error") == []
        followed = {line["url"]["path"].split("/")[-1] for line in web.lines("http.request")}
        assert {"cancel", "retry"} <= followed


def every_operation():
    with tempfile.TemporaryDirectory() as folder:  # its secret is made there
        schema = create_app(Settings(data=folder)).openapi()
    operations = [
        (f"{method} {path}", operation)
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    ]
    return schema, operations


def test_every_operation_has_examples_that_are_as_its_schema_says():
    schema, operations = every_operation()

    def check(content, what):
        assert content.get("examples"), what
        for one in content["examples"].values():
            shared = schema["components"]["examples"].get(one.get("$ref", "").rpartition("/")[2], one)
            value = shared["value"]
            whole = content["schema"] | {"components": schema["components"]}
            jsonschema.Draft202012Validator(whole).validate(value)

    for name, operation in operations:
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            if kind == "application/json":
                check(content, name)
        for status, answer in operation["responses"].items():
            content = answer.get("content", {}).get("application/json")
            if content is not None and status.startswith("2"):
                check(content, (name, status))
    problems = schema["components"]["responses"]["Problem"]["content"]["application/problem+json"]
    check(problems, "problems")
    assert set(problems["examples"]) == set(KINDS)
