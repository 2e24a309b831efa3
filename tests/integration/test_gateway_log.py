"""The access log: one ECS object a line, whatever the clients send."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.servers.gateway import House, standing, until

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HOSTILE = [
    b'GET /v1/jobs/"},{"a":"b HTTP/1.1\r\nHost: a',
    b"GET /v1/\\x22%22%5c%0a%0d%00 HTTP/1.1\r\nHost: a",
    b"GET /caf\xe9/\xff\xfe HTTP/1.1\r\nHost: a",
    b'GET /x HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\xfe"\\ \x01\x1f\x7f',
    b'GET /x HTTP/1.1\r\nHost: a\r\nX-Tutti-Lane: "}\xff\r\nX-Preferred-Node: ../"\xfe',
    b'GET /x HTTP/1.1\r\nHost: "><script>\xff',
    b'GET /x HTTP/1.1\r\nHost: a\r\ntraceparent: 00-\xff"-1',
    b"GET /x HTTP/1.1\r\nHost: a\r\nX-Big: " + b"a" * 40_000,
    b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b'\x00\x01\xff\xfe"\\',
    b"GET / HTTP/9.9\r\nHost: a",
    b"G\xcbT / HTTP/1.1\r\nHost: a",
    b"GET /%ff%fe%22 HTTP/1.1\r\nHost: a",
    b"GET /\xf0\x9f\x8e\xb5 HTTP/1.1\r\nHost: a\r\nUser-Agent: \xf0\x9f\x8e",
    b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999",
    b"PRI * HTTP/2.0\r\n\r\nSM",
]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory):
    options = {"client_timeout": 1, "rate_limit": "off", "node": "front-1"}
    with standing(tmp_path_factory.mktemp("log"), **options) as built:
        yield built


def test_a_line_has_the_shape_of_ecs(logged: House) -> None:
    with logged.client(headers={"User-Agent": "test/1", "traceparent": TRACE}) as client:
        answer = client.get("/v1/jobs/a_01hzzzzzzzzzzzzzzzzzzzzzzz?token=private")
    line = logged.line(url__path="/v1/jobs/a_01hzzzzzzzzzzzzzzzzzzzzzzz")
    assert line["@timestamp"].endswith("Z")
    assert len(line["@timestamp"]) == len("2026-11-23T11:04:48.123Z")
    assert line["event"]["action"] == "http.request"
    assert line["event"]["outcome"] == "success"
    assert isinstance(line["event"]["duration"], int)
    assert line["event"]["duration"] % 1_000_000 == 0
    assert line["http"]["request"]["method"] == "GET"
    assert line["http"]["request"]["id"] == line["event"]["id"] == answer.headers["x-request-id"]
    assert line["http"]["response"]["status_code"] == 200
    assert line["http"]["response"]["body"]["bytes"] == len(answer.content)
    assert line["source"]["ip"] == "127.0.0.1"
    assert line["user_agent"]["original"] == "test/1"
    assert line["service"]["name"] == "tutti-nginx"
    assert line["host"]["name"] == "front-1"
    assert line["tutti"]["job"]["id"] == "a_01hzzzzzzzzzzzzzzzzzzzzzzz"
    assert line["tutti"]["upstream"]["status"] == "200"
    assert "private" not in str(line)


def test_the_trace_is_taken_where_it_is_valid_and_made_where_not(logged: House) -> None:
    with logged.client() as client:
        given = client.get("/trace", headers={"traceparent": TRACE})
        made = client.get("/trace")
        bad = [
            client.get("/trace", headers={"traceparent": text})
            for text in (
                TRACE.upper(),
                TRACE[:-1],
                "00-" + "0" * 32 + TRACE[35:],
                TRACE.replace("00f067aa0ba902b7", "0" * 16),
            )
        ]
    assert given.json()["headers"]["traceparent"] == TRACE
    assert given.headers["x-trace-id"] == TRACE.split("-")[1]
    for answer in (made, *bad):
        trace = answer.json()["headers"]["traceparent"]
        assert trace == f"00-{answer.headers['x-request-id']}-{answer.headers['x-request-id'][:16]}-01"
        assert logged.line(trace__id=trace.split("-")[1])["trace"]["id"] == answer.headers["x-trace-id"]


def test_a_duration_is_whole_nanoseconds(logged: House) -> None:
    with logged.client() as client:
        client.post("/v1/jobs?pause=0.05")
        client.post("/generate?pause=1.01")
    assert (
        50_000_000
        <= logged.line(url__path="/v1/jobs", http__request__method="POST")["event"]["duration"]
        < 10**9
    )
    assert 1_010_000_000 <= logged.line(url__path="/generate")["event"]["duration"] < 10**10


def noise(count: int) -> list[bytes]:
    """Random bytes where a client may put its own, from a fixed seed."""
    dice = random.Random(7)
    lines = []
    for number in range(count):
        dirt = bytes(
            dice.choice(b"\x01\x09\x1b\"'\\{}[]:,%\x7f\x80\xc3\xff\xfe ") for _ in range(dice.randint(1, 60))
        )
        path = dirt.replace(b" ", b"+")
        lines.append(
            (b"GET /noise/%d/" % number + path + b" HTTP/1.1\r\nHost: a\r\nUser-Agent: " + dirt)
            if number % 2
            else b"GET /noise/%d HTTP/1.1\r\nHost: a\r\nReferer: " % number
            + dirt
            + b"\r\nUser-Agent: "
            + dirt
        )
    return lines


def test_every_line_parses_after_hostile_requests(tmp_path: Path) -> None:
    hostile = HOSTILE + noise(300)
    with standing(tmp_path, client_timeout=1, rate_limit="off") as built:
        for text in hostile:
            built.raw(text + b"\r\nConnection: close\r\n\r\n")
        with built.client() as client:
            client.get("/last")
        built.line(url__path="/last")
        until(
            lambda: len(requests(built.lines())) > len(hostile), "every worker of nginx has written its lines"
        )
        raw = (built.data / "log/nginx.jsonl").read_bytes()
        lines = built.lines()  # parses every line; one that does not parse ends the test
    assert len(lines) >= len(hostile)
    assert len(lines) == raw.count(b"\n")
    assert b"\xff" in raw, "the reader's repair was not needed; the test has lost its point"
    assert {type(line["http"]["response"]["status_code"]) for line in requests(lines)} == {int}
    assert all(isinstance(line["event"]["duration"], int) for line in requests(lines))


def requests(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Nginx's own lines; the gateway writes some of its own into the same file."""
    return [line for line in lines if line["service"]["name"] == "tutti-nginx"]


def test_the_upstreams_are_all_told_when_one_is_dead(tmp_path: Path) -> None:
    with standing(tmp_path, nodes=2) as built, built.client() as client:
        built.nodes["n1"].kill()
        assert {client.get(f"/v1/{number}").json()["node"] for number in range(6)} == {"n2"}
        until(
            lambda: any("," in line["tutti"]["upstream"]["status"] for line in requests(built.lines())),
            "a second try in the log",
        )
