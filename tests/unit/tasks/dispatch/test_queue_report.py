import orjson
import pytest

from observability.logging import configure
from tasks.dispatch import queue_report as report
from tasks.ledger import QueueView


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "dispatch.jsonl"
    configure("tutti-dispatch", path)
    yield path
    configure("tutti-test", None, level="error")


def told(path):
    lines = map(orjson.loads, path.read_bytes().splitlines()) if path.exists() else ()
    return [(line["tutti"]["queue"], *line["tutti"]["queued"].values()) for line in lines]


def test_every_queue_gets_a_line_and_an_emptied_one_a_last_one(path, monkeypatch):
    monkeypatch.setattr(report, "EVERY_SECONDS", 0.0)
    queues = report.QueueReport()
    queues.log_due([QueueView(name="sketch@1", waiting=2, released=1, oldest_seconds=12.34)])
    queues.log_due([])
    queues.log_due([])

    assert told(path) == [("sketch@1", 3, 12.3), ("sketch@1", 0, 0.0)]


def test_lines_come_every_fifteen_seconds_only(path):
    queues = report.QueueReport()
    for _ in range(5):
        queues.log_due([QueueView(name="sketch@1", waiting=1)])

    assert len(told(path)) == 1
