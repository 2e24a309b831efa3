"""The web process itself: what it loads, what it logs, how it ends."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers.tutti import free_port
from tests.servers.web import GOOD, Process, process

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def test_the_app_loads_neither_torch_nor_the_engines_weight():
    code = (
        "import sys, web.app, web.server; "
        "heavy = {'torch', 'diffusers', 'transformers', 'scipy', 'numpy', 'duckdb'} & sys.modules.keys(); "
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_one_trace_goes_through_the_lines_of_a_socket_behind_nginx(tmp_path):
    with process(tmp_path / "data", uds=tmp_path / "web.sock") as web:
        headers = {"traceparent": TRACEPARENT, "x-real-ip": "203.0.113.5", "x-request-id": TRACE}
        good = web.client.post("/v1/jobs?signature=geheim", json=GOOD, headers=headers)
        bad = web.client.post("/v1/jobs", json=GOOD | {"prompt": "abc"}, headers=headers)
        assert (good.status_code, bad.status_code) == (202, 422)
        assert good.headers["x-trace-id"] == good.headers["x-request-id"] == TRACE
        (accepted,), (refused,) = web.lines("job.accepted"), web.lines("job.refused")
        assert accepted["trace"]["id"] == refused["trace"]["id"] == TRACE
        assert accepted["tutti"]["job"]["id"] == good.json()["id"]
        assert accepted["tutti"]["prompt"]["chars"] == len(GOOD["prompt"])
        assert (refused["tutti"]["reason"], refused["source"]["ip"]) == ("invalid_request", "203.0.113.5")
        line = next(line for line in web.lines("http.request") if line["http"]["request"]["method"] == "POST")
        assert line["http"]["response"]["status_code"] == 202
        assert line["url"]["path"] == "/v1/jobs"
        assert line["event"]["duration"] > 0
        text = (web.data / "log" / "web.jsonl").read_text()
        assert GOOD["prompt"] not in text
        assert "geheim" not in text


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with process(tmp_path_factory.mktemp("web"), port=free_port()) as started:
        yield started


HOSTILE = {
    "bad UTF-8": (b"/%ff%fe%00", b'a\xff\xfe"quoted"\\'),
    "control characters": (b"/%0a%1b[31m", b"x\x85y"),
    "raw bytes": (b"/\xc3\x28", b"x"),
    "a long path": (b"/" + b"a" * 9_000, b"x"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_and_paths_leave_lines_that_parse(name, web):
    path, agent = HOSTILE[name]
    with socket.create_connection(("127.0.0.1", web.port), 10) as link:
        head = (
            b"GET "
            + path
            + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: "
            + agent
            + b"\r\nConnection: close\r\n\r\n"
        )
        link.sendall(head)
        answer = b"".join(iter(lambda: link.recv(65_536), b""))
    assert re.match(rb"HTTP/1.1 4\d\d ", answer)
    assert web.lines("http.request")  # reading them parses every line of the file


def test_flower_is_passed_through_for_admins(web):
    """A server on Flower's socket stands for Flower: the proxy is what is tested."""
    seen: list[bytes] = []

    def answer_once(server: socket.socket) -> None:
        link, _ = server.accept()
        with link:
            seen.append(link.recv(65_536))
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nflower")

    (web.data / "run").mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(web.data / "run" / "flower.sock"))
        server.listen()
        thread = threading.Thread(target=answer_once, args=(server,))
        thread.start()
        answer = web.client.get("/flower/workers?json=1")
        thread.join(10)
    assert (answer.status_code, answer.text) == (200, "flower")
    assert seen[0].startswith(b"GET /flower/workers?json=1 HTTP/1.1")


def test_a_client_that_sends_half_a_body_holds_up_nobody(web):
    slow = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    slow.putrequest("POST", "/v1/jobs")
    slow.putheader("Content-Type", "application/json")
    slow.putheader("Content-Length", "1000")
    slow.endheaders(b'{"prompt": ')
    assert web.client.post("/v1/jobs", json=GOOD).status_code == 202
    slow.close()
    assert web.client.get("/livez").status_code == 200


def test_streams_end_with_the_process_and_sessions_and_jobs_outlive_it(tmp_path):
    port = free_port()
    with process(tmp_path, port=port) as web:
        web.client.get("/")
        cookies = web.client.cookies
        job_id = web.client.post("/v1/jobs", json=GOOD).json()["id"]
        with web.client.stream("GET", f"/v1/jobs/{job_id}/events") as events:
            lines = events.iter_lines()
            assert any(line.startswith("event: queued") for line in lines)
            web.child.send_signal(signal.SIGTERM)
            with contextlib.suppress(httpx.RemoteProtocolError):  # cut or ended: it must not hang
                list(lines)
        assert web.child.wait(30) == 0
    with process(tmp_path, port=port) as web:
        web.client.cookies = cookies
        assert [job["id"] for job in web.client.get("/v1/jobs").json()["jobs"]] == [job_id]


def test_two_processes_that_start_at_once_share_one_secret(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tasks.settings import Settings; "
        "from tasks.security.secret import secret_of; "
        "print(secret_of(Settings(data=Path(sys.argv[1]))).hex())"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "data")], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    secrets = {child.communicate(timeout=30)[0] for child in children}
    assert len(secrets) == 1
    assert {path.name for path in Path(tmp_path / "data").iterdir()} == {"secret", ".secret.lock"}
