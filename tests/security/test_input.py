"""Input that once ended in a traceback, and whatever else a stranger may send: an answer, and never a 500."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observability.logging import configure
from tests.security import fuzz, odd
from tests.security.people import Route, routes
from tests.servers.web import GOOD, Web, in_app

DEEP = "[" * 30_000
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
TOKEN = base64.urlsafe_b64encode(DEEP.encode()).decode()
DEEPER = b"[" * 900 + b"]" * 900
KNOWN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "30,000 brackets as a list of tasks": ("POST", "/query_result", {"json": {"task_id_list": DEEP}}),
    "a lone surrogate as a task": ("POST", "/query_result", {"json": {"task_id_list": '["\\ud800"]'}}),
    "nested seeds": (
        "POST", "/release_task",
        {"content": b'{"prompt":"a calm song","seed":' + DEEPER + b"}", "headers": JSON},
    ),
    "a nested answer to yes or no": (
        "POST", "/release_task",
        {"content": b'{"prompt":"a calm song","use_random_seed":' + DEEPER + b"}", "headers": JSON},
    ),
    "a nested metre": (
        "POST", "/release_task", {"json": {"prompt": "a calm song", "time_signature": {"a": [1]}}},
    ),
    "hours=²": ("GET", "/analytics?hours=²", {}),
    "5,000 digits of hours": ("GET", "/analytics?hours=" + "9" * 5_000, {}),
    "width=²": ("GET", "/analytics/none.svg?width=²", {}),
    "an Origin that is no address": ("POST", "/v1/jobs", {"json": GOOD, "headers": {"origin": "http://["}}),
    "a Host that is no address": ("GET", "/songs", {"headers": {"host": "["}}),
    "a token of 30,000 brackets": (
        "POST", "/v1/jobs", {"json": GOOD, "headers": {"x-session-token": f"{TOKEN}.{TOKEN}.x"}},
    ),
    "5,000 digits of a variation": (
        "GET", "/v1/jobs/a_00000000000000000000000000/peaks/" + "9" * 5_000, {},
    ),
    "an odd length of a body": (
        "POST", "/v1/jobs",
        {"content": b"{}", "headers": [(b"content-type", b"application/json"), (b"content-length", b"\xb2")]},
    ),
    "Latin-1 on the way to Flower": ("GET", "/flower/", {"headers": [(b"x-odd", b"\xff\xfe")]}),
    "an address too long for Flower": ("GET", "/flower/" + "a" * 60_000, {}),
    "a form of a thousand fields": (
        "POST", "/release_task", {"content": b"a=1&" * 1_000, "headers": FORM},
    ),
    "a line feed behind an id": ("GET", "/v1/jobs/a_00000000000000000000000000%0a", {}),
}  # fmt: skip
RANGES = (
    "bytes=" + "9" * 5_000 + "-", "bytes=-" + "9" * 5_000, "bytes=²-", "bytes=0-²", "bytes=" + "0-," * 40,
    "bytes=", "bytes=--1", "\xff", "bytes=0-0," * 15 + "0-0", "BYTES=0-1", "bytes = 0-1", "bytes=1-0",
    "bytes=0-" + "9" * 19,
)  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_what_once_broke_is_answered(name: str, tmp_path: Path) -> None:
    method, path, request = KNOWN[name]

    async def scenario(web: Web) -> None:
        answer = await web.client.request(method, path, **request)
        assert answer.status_code < 500 or answer.json()["type"] == "/problems/unavailable", answer.text[:300]

    assert _errors(tmp_path, scenario) == ""


@pytest.mark.parametrize(
    "more", [{}, {"if-range": "ETAG"}, {"if-range": '"other"'}], ids=["alone", "same", "other"]
)
def test_no_range_ends_in_a_traceback(more: dict[str, str], tmp_path: Path) -> None:
    async def scenario(web: Web) -> None:
        name = f"{await web.submit()}.wav"
        (web.settings.storage_path / name).write_bytes(b"sound" * 100)
        tag = (await web.client.get(f"/output/{name}")).headers["etag"]
        for asked in RANGES:
            headers = {"range": asked} | {key: value.replace("ETAG", tag) for key, value in more.items()}
            raw = [(key.encode(), value.encode("latin-1")) for key, value in headers.items()]
            answer = await web.client.get(f"/output/{name}", headers=raw)
            assert answer.status_code in {200, 206, 400, 416}, (asked, answer.status_code)

    assert _errors(tmp_path, scenario) == ""


def _errors(tmp_path: Path, scenario: Any, **options: Any) -> str:
    """The tracebacks that the scenario left in the log."""
    configure("tutti-web", tmp_path / "web.jsonl", "error")
    try:
        in_app(tmp_path / "data", scenario, **options)
    finally:
        configure("tutti-test", None, level="error")
    log = tmp_path / "web.jsonl"
    return log.read_text() if log.exists() else ""


@pytest.mark.timeout(600)
def test_every_route_answers_whatever_it_is_sent(tmp_path: Path) -> None:
    """Nasty words in the path, the query, the headers and the body of every route there is."""

    async def scenario(web: Web) -> None:
        for route in routes(web.app):
            for request in odd.requests(route, seed=7, number=8):
                answer = await web.client.request(route.method, **request)
                assert answer.status_code < 500 or _foreseen(route, answer.status_code), (str(route), request)

    assert _errors(tmp_path, scenario, seconds=500) == ""


def _foreseen(route: Route, status: int) -> bool:
    away = ("/flower", "/analytics", "/format_input", "/create_random_sample")  # Flower, and a language model
    return status == 503 and route.pattern.startswith(away)


@pytest.mark.parametrize("target", fuzz.TARGETS, ids=lambda target: target.name)
def test_a_parser_of_a_border_takes_or_refuses(target: fuzz.Target) -> None:
    @settings(
        max_examples=target.examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        target.check(data.draw(target.strategy))

    run()
