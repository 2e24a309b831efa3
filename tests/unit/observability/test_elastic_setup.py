"""What the tests' own server lacks: lifecycles and failure stores of data streams.

By the shapes of Elasticsearch's own answers: elastic/elasticsearch, modules/data-streams, and its REST
specifications `indices.get_data_stream` and `indices.put_data_stream_options` (9.1 and later; 9.0 tells
nothing of a failure store).
"""

import http.server
import json
import threading

import pytest
from elasticsearch import Elasticsearch

from observability.elastic.setup import setup


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers as a full Elasticsearch 9 that was set up long ago, and keeps what it is told to change."""

    retention = "7d"
    stores: dict
    changes: list
    templates: list

    def _answer(self):
        length = int(self.headers.get("content-length") or 0)
        sent = json.loads(self.rfile.read(length)) if length else None
        if self.command == "PUT" and "_lifecycle" in self.path:
            self.changes.append((self.path, sent))
            Recorder.retention = sent["data_retention"]
        if self.command == "PUT" and self.path.endswith("/_options"):
            self.changes.append((self.path, sent))
            for name in self.path.split("/")[2].split(","):
                self.stores[name] = sent["failure_store"]
        status, told = self._told()
        if self.command == "PUT" and "_index_template" in self.path:
            self.templates.append(sent)
            if "data_stream_options" in sent["template"] and self.stores is None:
                reason = "[template] unknown field [data_stream_options]"
                status, told = 400, {"error": {"type": "x_content_parse_exception", "reason": reason}}
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
        if self.path == "/_data_stream/logs-tutti.*-*":
            return 200, {"data_streams": [self._stream(name) for name in self.stores or {"old": None}]}
        if "api_key" in self.path:
            return 200, {"api_keys": [{"id": "i"}]}
        return 404, {}

    def _stream(self, name):
        return {"name": name} | ({"failure_store": self.stores[name]} if self.stores else {})

    do_GET = do_PUT = do_POST = _answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Recorder.retention, Recorder.changes, Recorder.templates = "7d", [], []
    Recorder.stores = {
        name: {"enabled": False} for name in ("logs-tutti.web-default", "logs-tutti.nginx-default")
    }
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
    assert [change for change in Recorder.changes if change[0].endswith("_lifecycle")] == [
        ("/_data_stream/logs-tutti.web-default/_lifecycle", {"data_retention": "14d", "enabled": True})
    ]


def test_failure_stores_are_turned_on_with_a_retention_of_their_own_and_told_as_they_are(server):
    first = {step.what: step for step in setup(server, failure_days=9)}["failure store"]
    second = {step.what: step for step in setup(server, failure_days=9)}["failure store"]

    assert (first.state, first.detail) == ("upgraded", "on in 2 of 2 streams, kept 9 days")
    assert (second.state, second.detail) == ("unchanged", "on in 2 of 2 streams, kept 9 days")
    wanted = {"failure_store": {"enabled": True, "lifecycle": {"enabled": True, "data_retention": "9d"}}}
    assert [change for change in Recorder.changes if change[0].endswith("_options")] == [
        ("/_data_stream/logs-tutti.web-default,logs-tutti.nginx-default/_options", wanted)
    ]
    assert Recorder.templates[0]["template"]["data_stream_options"] == wanted


def test_a_stream_whose_store_stays_off_is_named(server, monkeypatch):
    monkeypatch.setattr(
        Recorder, "_stream", lambda self, name: {"name": name, "failure_store": {"enabled": False}}
    )
    step = {step.what: step for step in setup(server)}["failure store"]
    assert step.state == "lacking"
    assert "on in 0 of 2 streams" in step.detail
    assert "logs-tutti.web-default" in step.detail


def test_a_server_without_failure_stores_gets_a_template_without_and_it_is_said(server):
    Recorder.stores = None
    steps = {step.what: step for step in setup(server)}
    assert steps["tutti-logs"].state == "made"
    assert ["data_stream_options" in sent["template"] for sent in Recorder.templates] == [True, False]
    assert steps["failure store"].state == "lacking"
    assert "9.1" in steps["failure store"].detail


def test_nothing_is_said_to_lack_where_all_is_there(server):
    lacking = [step.what for step in setup(server) if step.state == "lacking"]
    assert lacking == ["built-ins"], "these were answered with 404"
