"""What the tests' own server lacks: data stream lifecycles, by the shapes of Elasticsearch's reference."""

import http.server
import json
import threading

import pytest
from elasticsearch import Elasticsearch

from observability.elastic.setup import setup


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers as a full Elasticsearch 9 that was set up long ago, and keeps what it is told to change."""

    retention = "7d"
    changes: list

    def _answer(self):
        length = int(self.headers.get("content-length") or 0)
        sent = json.loads(self.rfile.read(length)) if length else None
        if self.command == "PUT" and "_lifecycle" in self.path:
            self.changes.append((self.path, sent))
            Recorder.retention = sent["data_retention"]
        status, told = self._told()
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _told(self):
        if self.command != "GET":
            return 200, {"acknowledged": True, "id": "i", "name": "n", "api_key": "k", "encoded": "e"}
        if self.path.endswith("/_lifecycle"):
            lifecycle = {"enabled": True, "data_retention": Recorder.retention}
            return 200, {"data_streams": [{"name": "logs-tutti.web-default", "lifecycle": lifecycle}]}
        if self.path.endswith("/_options"):
            return 200, {"data_streams": []}
        if "api_key" in self.path:
            return 200, {"api_keys": [{"id": "i"}]}
        return 404, {}

    do_GET = do_PUT = do_POST = _answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Recorder.retention, Recorder.changes = "7d", []
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    with Elasticsearch(f"http://127.0.0.1:{listening.server_port}") as client:
        yield client
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_streams_that_are_there_get_another_retention_once(server):
    first = {step.what: step for step in setup(server, retention_days=14)}
    second = {step.what: step for step in setup(server, retention_days=14)}

    assert first["retention"].state == "upgraded"
    assert second["retention"].state == "unchanged"
    assert Recorder.changes == [
        ("/_data_stream/logs-tutti.web-default/_lifecycle", {"data_retention": "14d", "enabled": True})
    ]


def test_nothing_is_said_to_lack_where_all_is_there(server):
    lacking = [step.what for step in setup(server) if step.state == "lacking"]
    assert lacking == ["built-ins"], "these were answered with 404"
