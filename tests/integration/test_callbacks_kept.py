"""Callbacks arrive though the process that delivers them is killed in between."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from tests.servers import workers
from tests.servers.workers import System, eventually


class Receiver(ThreadingHTTPServer):
    """Answers nothing until `go` is set, then 200; `begun` and `told` hold the documents."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.go = threading.Event()
        self.begun: list[dict] = []
        self.told: list[dict] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/done"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        document = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.begun.append(document)
        if not self.server.go.wait(60):
            return
        self.server.told.append(document)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # whoever asked was killed
            return


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    reach = {"callback_networks": "127.0.0.0/8", "callback_ports": "1-65535"}
    with workers.running(tmp_path / "cell", **reach) as started:
        yield started


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.go.set()
    server.shutdown()
    server.server_close()


def test_a_callback_arrives_though_its_deliverer_is_killed(system: System, receiver: Receiver) -> None:
    (dispatcher,) = system.parts
    cancelled = system.submit(callback_url=receiver.url)
    system.ledger.submissions.cancel(cancelled)
    eventually(lambda: receiver.begun)
    dispatcher.end(signal.SIGKILL)
    owed = system.submit(callback_url=receiver.url)  # and one that ends while nobody delivers
    system.ledger.submissions.cancel(owed)
    receiver.go.set()
    system.start("dispatch")
    eventually(lambda: {one["id"] for one in receiver.told} == {cancelled, owed})
    assert {one["state"] for one in receiver.told} == {"cancelled"}
    eventually(
        lambda: system.lines("callback.delivered", cancelled) and system.lines("callback.delivered", owed)
    )


def test_a_song_calls_back_with_its_file(system: System, receiver: Receiver) -> None:
    receiver.go.set()
    system.start_worker()
    job_id = system.submit(callback_url=receiver.url)
    job = system.wait(job_id)
    eventually(lambda: receiver.told)
    (document,) = receiver.told
    assert (document["id"], document["state"]) == (job_id, "succeeded")
    assert document["outputs"][0]["sha256"] == job.outputs[0].sha256
