"""How much one client may ask for: rate, connections, size, and patience with slow ones."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from tests.servers.gateway import House, standing


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("limits")
    options = {
        "rate_limit": "2r/m burst=4",
        "connection_limit": 5,
        "client_timeout": 1,
        "max_body_megabytes": 1,
    }
    with standing(folder, **options) as built:
        yield built


def statuses(
    house: House, count: int, source: str, key: str | None = None, path: str = "/v1/jobs"
) -> list[int]:
    with house.client(source) as client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return [client.post(path, json={}, headers=headers).status_code for _ in range(count)]


def test_a_burst_passes_and_what_is_beyond_it_gets_429(limited: House) -> None:
    assert statuses(limited, 8, "127.0.1.1") == [202] * 5 + [429] * 3
    assert statuses(limited, 1, "127.0.1.2") == [202]


def test_generate_counts_to_the_same_limit(limited: House) -> None:
    statuses(limited, 5, "127.0.1.3")
    assert statuses(limited, 1, "127.0.1.3", path="/generate") == [429]


def test_reading_is_not_limited(limited: House) -> None:
    with limited.client("127.0.1.4") as client:
        assert {client.get("/v1/jobs").status_code for _ in range(20)} == {200}


def test_429_is_a_problem_document_with_retry_after_and_a_line(limited: House) -> None:
    with limited.client("127.0.1.5") as client:
        answer = [client.post("/v1/jobs", json={}) for _ in range(6)][-1]
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "30"
    assert answer.headers["x-content-type-options"] == "nosniff"
    problem = answer.json()
    assert (problem["status"], problem["type"]) == (429, "/problems/rate_limited")
    line = limited.line("job.refused", trace__id=problem["trace_id"])
    assert line["tutti"]["reason"] == "rate_limited"
    assert line["source"]["ip"] == "127.0.1.5"
    assert limited.line(trace__id=problem["trace_id"])["http"]["response"]["status_code"] == 429


def test_random_keys_do_not_evade_the_limit(limited: House) -> None:
    with limited.client("127.0.1.6") as client:
        got = [client.post("/v1/jobs", headers={"X-API-Key": f"random-{n}"}).status_code for n in range(8)]
    assert got == [202] * 5 + [429] * 3


def test_many_addresses_do_not_evade_the_limit_of_one_key(limited: House) -> None:
    got = [statuses(limited, 1, f"127.0.2.{n}", key="one")[0] for n in range(8)]
    assert got == [202] * 5 + [429] * 3


def test_a_body_beyond_the_limit_is_refused(limited: House) -> None:
    with limited.client("127.0.3.1") as client:
        answer = client.post("/v1/jobs", content=b"x" * 1_100_000)
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/body_too_large"
    assert limited.line("job.refused", source__ip="127.0.3.1")["tutti"]["reason"] == "body_too_large"


def test_an_address_may_have_so_many_requests_open(limited: House) -> None:
    with limited.client("127.0.4.1") as client:
        streams = [client.stream("GET", "/v1/jobs/a/events?count=100") for _ in range(5)]
        for stream in streams:
            assert stream.__enter__().status_code == 200
        answer = client.get("/v1/jobs")
        for stream in streams:
            stream.__exit__(None, None, None)
    assert answer.status_code == 429
    line = limited.line(source__ip="127.0.4.1", url__path="/v1/jobs")
    assert line["tutti"]["limit"]["connection"] == "REJECTED"


def open_raw(house: House, text: bytes) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", house.port), timeout=20)
    raw.sendall(text)
    return raw


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
    ],
)
def test_a_client_that_pauses_in_its_request_is_cut(limited: House, text: bytes) -> None:
    with open_raw(limited, text) as raw:
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := raw.recv(65536):  # the socket's own deadline fails the test
                answer += part
    assert b" 202 " not in answer


def test_limits_can_be_switched_off(tmp_path: Path) -> None:
    with standing(tmp_path, rate_limit="off", connection_limit=0) as built:
        assert set(statuses(built, 40, "127.0.1.1")) == {202}
