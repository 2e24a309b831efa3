"""The dashboards in the web app, from log files of its own folder."""

import datetime as dt

import orjson
import pytest
from starlette.testclient import TestClient

from observability.logging import configure
from observability.panels import PANELS
from tasks.jobs import Timings
from tasks.ledger import Ledger
from tasks.settings import Settings
from tests import ledgers
from web.app import create_app


@pytest.fixture
def app(tmp_path):
    settings = Settings(data=tmp_path, node="stage-1")
    settings.log_path.mkdir(parents=True)
    now = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    beat = {"gpu": {"id": "stage-1-0", "busy": 0.5}}
    line = {"@timestamp": now, "event": {"action": "worker.heartbeat"}, "tutti": beat}
    (settings.log_path / "worker.jsonl").write_bytes(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    return create_app(settings)


def test_every_panel_is_on_the_page_and_drawn_from_the_log_files(app):
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as client:
        text = client.get("/analytics?hours=1").text
        assert all(f'src="/analytics/{panel.id}.svg?hours=1"' in text for panel in PANELS)
        assert "<script" not in text

        picture = client.get("/analytics/load-busy.svg?hours=1")
        assert picture.headers["content-type"] == "image/svg+xml"
        assert "stage-1-0" in picture.text
        assert "No such lines" in client.get("/analytics/cache-hits.svg?hours=1").text
        assert client.get("/analytics/nothing.svg?hours=1").status_code == 404


def test_only_administrators_see_addresses(app):
    with TestClient(app, "http://127.0.0.1:8000", client=("203.0.113.9", 50000)) as client:
        assert client.get("/analytics").status_code == 403
        assert client.get("/analytics/clients-addresses.svg").status_code == 403


def test_a_song_from_the_cache_is_counted_with_the_work_it_saved(app, tmp_path):
    path = tmp_path / "web.jsonl"
    wanted = {"prompt": "a calm piano song", "seed": 7}
    with TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as client:
        configure("tutti-web", path)
        try:
            first = client.post("/v1/jobs", json=wanted).json()["id"]
            ledger = Ledger(Settings(data=tmp_path).ledger)
            epoch = ledgers.register(ledger, "w@a")
            ledger.dispatch.release(lambda _: 10)
            ledger.workers.claim(first, "w@a", epoch)
            spent = Timings(queue=9, denoise=3, encode=0.5)
            assert ledger.workers.finish(first, 1, "w@a", epoch, [ledgers.song(first)], spent)
            ledger.close()
            assert client.post("/v1/jobs", json=wanted).json()["state"] == "succeeded"
        finally:
            configure("tutti-test", None, level="error")
    (line,) = (
        line for line in map(orjson.loads, path.read_bytes().splitlines()) if "cache" in line.get("tutti", {})
    )
    assert line["event"]["action"] == "job.succeeded"
    assert line["tutti"]["cache"] == {"hit": True, "saved_seconds": 3.5}
