"""What one caller may take: connections, heads, room on nginx's disk; and that no refusal harms a node."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.servers.front import Front, standing_front
from tests.servers.gateway import House, free_port, standing, until
from tests.servers.web import GOOD, process
from web.asgi import connection

LARGE = 40_000_000


def link(port: int, text: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
    raw.sendall(text)
    return raw


def closed(raw: socket.socket, seconds: float = 60) -> bytes:
    """What comes until the other side hangs up; the socket's deadline fails the test."""
    raw.settimeout(seconds)
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while part := raw.recv(65_536):
            got += part
    return got


# --- without nginx


@pytest.mark.parametrize(
    "text",
    [b"", b"GET / HTTP/1.1\r\nX-Slow: ", b"\r\n\r\n", b"GET"],
    ids=["nothing", "a head", "blank lines", "a word"],
)
def test_a_head_has_to_come_in_time(tmp_path: Path, text: bytes) -> None:
    with process(tmp_path, port=free_port(), client_timeout="1") as web, link(web.port, text) as raw:
        dripping = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not dripping.wait(0.2):
                    raw.sendall(b"a")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        assert closed(raw)[:12] in {b"HTTP/1.1 408", b"HTTP/1.1 400", b""}
        dripping.set()
        thread.join()


def test_a_kept_connection_that_begins_again_has_no_more_time(tmp_path: Path) -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with process(tmp_path, port=free_port(), client_timeout="1") as web, link(web.port, request) as raw:
        answer = b""
        while not answer.endswith(b"ok\n"):
            answer += raw.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 200")
        raw.sendall(b"GET /livez HT")
        assert closed(raw).startswith(b"HTTP/1.1 408")


def test_a_body_that_nobody_waits_for_ends_with_its_answer(tmp_path: Path) -> None:
    head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\na"
    with process(tmp_path, port=free_port(), client_timeout="1") as web, link(web.port, head) as raw:
        ended = time.monotonic() + 60
        with contextlib.suppress(OSError):
            while time.monotonic() < ended:
                raw.sendall(b"a")
                time.sleep(0.2)
        assert time.monotonic() < ended


def test_a_head_has_a_bound(tmp_path: Path) -> None:
    with process(tmp_path, port=free_port()) as web:
        with link(web.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n") as raw:
            with contextlib.suppress(OSError):
                for number in range(3_000):
                    raw.sendall(b"X-%d: %s\r\n" % (number, b"a" * 1_000))
            assert closed(raw)[:12] in {b"HTTP/1.1 431", b""}
        assert web.client.get("/livez").status_code == 200


def test_an_address_has_so_many_connections_and_others_have_theirs(tmp_path: Path) -> None:
    with process(tmp_path, port=free_port(), connection_limit="20", client_timeout="30") as web:
        dripping = [link(web.port, b"GET / HTTP/1.1\r\n", "127.0.0.7") for _ in range(20)]
        request = b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with link(web.port, request, "127.0.0.7") as one_more:
            answer = closed(one_more)
        assert answer.startswith(b"HTTP/1.1 429")
        assert b"retry-after" in answer
        more = [link(web.port, b"GET / HTTP/1.1\r\n", "127.0.0.7") for _ in range(40)]
        assert any(closed(raw) == b"" for raw in more[20:]), "far beyond the bound nobody waits"
        assert web.client.get("/livez").status_code == 200
        for raw in (*dripping, *more):
            raw.close()
        until(lambda: httpx_from(web.port, "127.0.0.7") == 200, "they are given back")


def httpx_from(port: int, source: str) -> int:
    transport = httpx.HTTPTransport(local_address=source)
    with contextlib.suppress(httpx.TransportError), httpx.Client(transport=transport) as client:
        return client.get(f"http://127.0.0.1:{port}/livez").status_code
    return 0


# --- nginx's disk


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with standing(tmp_path_factory.mktemp("bounds"), rate_limit="off", max_body_megabytes=8) as built:
        yield built


def taken(house: House) -> int:
    """Bytes of nginx's temporary files, those without a name too."""
    total = 0
    for pid in house.generations():
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if "/run/nginx/" in str(file.readlink()):
                    total += file.stat().st_size
    return total


def test_stalled_readers_take_no_room_on_nginxs_disk(house: House) -> None:
    request = b"GET /large?bytes=%d HTTP/1.1\r\nHost: a\r\n\r\n" % LARGE
    readers = [link(house.port, request, "127.0.1.1") for _ in range(5)]
    assert all(raw.recv(1_000).startswith(b"HTTP/1.1 200") for raw in readers)
    time.sleep(3)  # they could have filled 200 MB by now
    assert taken(house) < 1_000_000
    with house.client("127.0.1.1") as client:
        assert client.get("/").status_code == 200
        got = client.get(f"/large?bytes={LARGE}")
    assert len(got.content) == LARGE, "who reads gets it all"
    for raw in readers:
        raw.close()


def test_an_address_sends_a_few_uploads_at_once(house: House) -> None:
    head = (
        b"POST /v1/uploads HTTP/1.1\r\nHost: a\r\nContent-Type: audio/wav\r\nContent-Length: 7000000\r\n\r\n"
    )
    senders = [link(house.port, head + b"a" * 1_000_000, "127.0.1.2") for _ in range(12)]
    answers = []
    for raw in senders:
        raw.settimeout(3)
        with contextlib.suppress(OSError):
            answers.append(raw.recv(12))
    assert Counter(answers) == {b"HTTP/1.1 429": 8}
    assert taken(house) <= 4 * 7_000_000
    for raw in senders:
        raw.close()
    until(lambda: taken(house) == 0, "the room is given back")
    with house.client("127.0.1.2") as client:
        sent = client.post("/v1/uploads", content=b"a" * 7_000_000, headers={"content-type": "audio/wav"})
    assert (sent.status_code, sent.json()["bytes"]) == (202, 7_000_000)


# --- a refusal is no failure of a node


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with standing_front(tmp_path_factory.mktemp("refusals"), max_body_megabytes="24") as standing_:
        yield standing_


@pytest.mark.parametrize(
    "path", ["/v1/jobs", "/release_task", "/query_result", "/songs", "/login", "/generate"]
)
def test_large_bodies_are_refused_alike_each_time(front: Front, path: str) -> None:
    answers: Counter[int] = Counter()
    errors = front.data / "log/nginx-error.log"
    told = errors.stat().st_size  # it asked for the nodes before they listened

    def send(megabytes: int) -> None:
        with front.client() as client:
            for _ in range(12):
                kind = {"content-type": "application/json"}
                answers[client.post(path, content=b"a" * megabytes * 10**6, headers=kind).status_code] += 1

    senders = [threading.Thread(target=send, args=(size,)) for size in (3, 8, 20)]
    for thread in senders:
        thread.start()
    with front.client(source="127.0.0.5") as other:
        while any(thread.is_alive() for thread in senders):
            assert other.get("/livez").status_code == 200
    assert answers == {413: 36}
    blamed = errors.read_bytes()[told:].decode(errors="replace")
    assert not re.search("upstream|failed|no live", blamed), blamed[-2000:]


@pytest.mark.parametrize("extra", [-1, 0, 1, 4_000])
def test_gateway_and_app_agree_to_the_byte(front: Front, extra: int) -> None:
    """Where the gateway lets through what the app refuses, the app hangs up on it."""
    from web.request.http import JSON_MAX

    sizes = {
        "/v1/jobs": (JSON_MAX, "application/json"),
        "/v1/uploads": (24 * 10**6, "audio/wav"),
        "/flower/x": (1024 * 1024, "application/json"),
    }
    for path, (size, kind) in sizes.items():
        for direct in (False, True):
            with front.client(direct=direct) as client:
                content, headers = b" " * (size + extra), {"content-type": kind}
                answer = client.post(path, content=content, headers=headers)
                assert (answer.status_code == 413) == (extra > 0), (path, direct, answer.status_code)
    assert "upstream prematurely" not in (front.data / "log/nginx-error.log").read_text()


def test_quotas_hold_whoever_hurries(tmp_path: Path) -> None:
    with standing_front(tmp_path, keys="on") as front:
        token = front.command("keys", "add", "Ada", "--jobs-a-day", "5", "--concurrent", "3")
        answers: Counter[int] = Counter()

        def ask(direct: bool) -> None:
            with front.client(direct=direct, headers={"Authorization": f"Bearer {token}"}) as client:
                for _ in range(5):
                    answers[client.post("/v1/jobs", json=GOOD).status_code] += 1

        threads = [threading.Thread(target=ask, args=(direct,)) for direct in (False, True, False, True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == {202: 3, 429: 17}


def test_bombs_of_json_are_refused(tmp_path: Path) -> None:
    with process(tmp_path, port=free_port()) as web:
        kind = {"content-type": "application/json"}
        for bomb in (
            b"[" * 60_000,
            b'{"a":' * 10_000,
            b'{"prompt":"' + b"\\u0000" * 9_000 + b'"}',
            b"1" * 60_000,
        ):
            for path in ("/v1/jobs", "/release_task", "/query_result", "/generate"):
                answer = web.client.post(path, content=bomb, headers=kind).status_code
                assert answer in {400, 422} or (answer, path) == (200, "/query_result")  # it names no task
        assert not web.lines("http.error")
        assert os.stat(web.data / "log/web.jsonl").st_size < 2_000_000  # noqa: PTH116


def test_no_refusal_closes_a_connection_that_a_gateway_still_sends_on(tmp_path: Path) -> None:
    """uvicorn hangs up behind `connection: close`; without it, what is left of a body is read and dropped."""
    trials = {
        "/v1/jobs": "application/json",
        "/release_task": "multipart/form-data; boundary=x",
        "/v1/uploads": "audio/wav",
        "/songs": "application/x-www-form-urlencoded",
    }
    with process(tmp_path, port=free_port(), max_body_megabytes="1") as web:
        for path, kind in trials.items():
            content = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n" + b"a" * 3_000_000
            answer = web.client.post(path, content=content, headers={"content-type": kind})
            assert answer.status_code in {400, 413}, path  # a form may be wrong before it is too large
            assert "connection" not in answer.headers, path


@pytest.mark.parametrize(
    ("floor", "cut"), [(50_000_000, True), (1, False)], ids=["below the floor", "above it"]
)
def test_who_reads_slowly_and_steadily_is_cut_below_a_floor(
    floor: int, cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No single pause is too long; all of them together are."""
    monkeypatch.setattr(connection, "SEND_SECONDS", 3.0)
    monkeypatch.setattr(connection, "SEND_FLOOR", floor)
    size, port = 24_000_000, free_port()

    async def song() -> AsyncIterator[bytes]:
        for _ in range(240):
            yield bytes(size // 240)
            await asyncio.sleep(0)  # as a file is read

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(song())(scope, receive, send)

    door = connection.Door(patience=5, each=0)
    config = uvicorn.Config(app, port=port, http=connection.guarded(door), log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "it listens")
    got = 0
    with (
        link(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as raw,
        contextlib.suppress(OSError),
    ):
        while (part := raw.recv(200_000)) and got < size:
            got += len(part)
            time.sleep(0.1)
    assert (got < size) == cut
    server.should_exit = True
    thread.join(30)
