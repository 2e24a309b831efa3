"""Every line once, whatever happens to the shipper, the file, the stream or the server."""

import random
import threading
import uuid

import orjson
import pytest

from observability.elastic.setup import setup
from observability.shipper import guard
from observability.shipper.report import Report
from tests import shipping
from tests.servers import elasticsearch

LINES = 8_000
EVENTS = 4


@pytest.fixture(scope="module")
def node():
    with elasticsearch.running() as node:
        setup(node.client())
        yield node


@pytest.fixture
def place(tmp_path):
    """A log file of its own stream, the pattern that finds it after rotations, and the shipper's state."""
    part = f"t{uuid.uuid4().hex[:8]}"
    folder = tmp_path / "log"
    folder.mkdir()
    return folder / f"{part}.jsonl", str(folder / "*.jsonl"), tmp_path / "state", f"logs-tutti.{part}-default"


def test_kills_rotations_and_rollovers_lose_and_double_nothing(node, place):
    path, pattern, state, stream = place
    server, chance = node.client(), random.Random(7)
    process = shipping.start(node.url, pattern, state)
    try:
        for step in range(EVENTS):
            shipping.write(path, step * LINES // EVENTS, (step + 1) * LINES // EVENTS)
            wanted = step * LINES // EVENTS + chance.randrange(LINES // EVENTS // 2)
            shipping.until(lambda wanted=wanted: shipping.present(server, stream) > wanted)
            shipping.kill(process)
            server.indices.rollover(alias=stream)
            shipping.rotate(path)
            process = shipping.start(node.url, pattern, state)
    finally:
        shipping.kill(process)
    shipping.finish(node.url, pattern, state)

    assert shipping.faults(server, stream, LINES) == (0, 0)


def _interrupted(node, place):
    """Deliver lines that the checkpoint then does not know of, and roll over: the worst moment of a kill."""
    path, pattern, state, stream = place
    shipping.write(path, 0, 3000)
    shipping.finish(node.url, pattern, state)
    checkpoint = state / "checkpoint.json"
    text = checkpoint.read_text()
    offset = path.stat().st_size
    assert f'"offset":{offset}' in text
    checkpoint.write_text(text.replace(f'"offset":{offset}', '"offset":0'))
    node.client().indices.rollover(alias=stream)


def test_lines_delivered_but_not_acknowledged_are_found_on_older_indices(node, place):
    _interrupted(node, place)
    _, pattern, state, stream = place
    shipping.finish(node.url, pattern, state)

    assert shipping.faults(node.client(), stream, 3000) == (0, 0)


def test_without_the_look_the_same_moment_doubles_lines(node, place, monkeypatch):
    """The control: deterministic ids alone do not survive a rollover."""
    _interrupted(node, place)
    _, pattern, state, stream = place
    monkeypatch.setattr(guard, "missing", lambda server, stream, lines, since: list(lines))

    assert shipping.finish(node.url, pattern, state) == 0
    assert shipping.faults(node.client(), stream, 3000) == (0, 3000)


def test_a_truncated_file_starts_over_under_new_ids(node, place):
    path, pattern, state, stream = place
    shipping.write(path, 0, 50)
    shipping.finish(node.url, pattern, state)
    path.write_bytes(b"")
    shipping.write(path, 50, 60)
    shipping.finish(node.url, pattern, state)

    assert shipping.faults(node.client(), stream, 60) == (0, 0)


def test_a_copy_made_before_a_truncation_doubles_nothing_and_gives_what_was_not_read(node, place):
    path, pattern, state, stream = place
    shipping.write(path, 0, 50)
    shipping.finish(node.url, pattern, state)
    shipping.write(path, 50, 60)
    path.with_suffix(".1.jsonl").write_bytes(path.read_bytes())
    path.write_bytes(b"")
    shipping.write(path, 60, 70)
    shipping.finish(node.url, pattern, state)

    assert shipping.faults(node.client(), stream, 70) == (0, 0)


def test_a_file_rotated_while_the_shipper_was_down_is_read_to_its_end(node, place):
    path, pattern, state, stream = place
    shipping.write(path, 0, 10)
    shipping.finish(node.url, pattern, state)
    shipping.write(path, 10, 20)
    shipping.rotate(path)
    shipping.write(path, 20, 30)
    shipping.finish(node.url, pattern, state)

    assert shipping.faults(node.client(), stream, 30) == (0, 0)


def test_hostile_lines_are_mended_or_kept_aside_and_their_neighbours_land(node, place):
    path, pattern, state, stream = place
    shipping.write(path, 0, 5)
    with path.open("ab") as file:
        file.write(
            b'{"@timestamp":"2026-11-23T00:00:00Z","event":{"duration":5},"tutti":{"job":{"id":"n5"}},"message":"\xff\xfe"}\n'
        )
        file.write(b'{"@timestamp":"2026-11-23T00:00:00Z","torn\n\n')
        file.write(b"not json\n123\n[]\n")
        file.write(b'{"message":"no time"}\n')
        file.write(b'{"@timestamp":"2026-11-23T00:00:00Z","message":"' + b"y" * (3 << 20) + b'"}\n')
    shipping.write(path, 6, 10)
    shipping.finish(node.url, pattern, state)

    assert shipping.faults(node.client(), stream, 10) == (0, 0)
    letters = (state / "dead-letters.jsonl").read_text().splitlines()
    assert len(letters) == 6
    found = node.client().search(index=stream, query={"term": {"tutti.job.id": "n5"}})["hits"]["hits"]
    assert found[0]["_source"]["message"] == "\ufffd\ufffd"


def test_an_unfinished_line_waits_for_its_end(node, place):
    path, pattern, state, stream = place
    whole = shipping.line(0)
    path.write_bytes(whole[:100])
    shipping.finish(node.url, pattern, state)
    with path.open("ab") as file:
        file.write(whole[100:])
    shipping.finish(node.url, pattern, state)

    assert shipping.faults(node.client(), stream, 1) == (0, 0)


def test_a_second_shipper_with_the_same_state_refuses_to_start(node, place):
    path, pattern, state, _ = place
    shipping.write(path, 0, 1)
    first = shipping.start(node.url, pattern, state)
    try:
        shipping.until((state / "checkpoint.json").exists)
        assert shipping.finish(node.url, pattern, state) == 1
    finally:
        shipping.kill(first)


def test_a_stream_that_is_refused_does_not_hold_up_the_others(node, place):
    path, pattern, state, stream = place
    other, server = path.with_name(f"z{path.name}"), node.client()
    others = stream.replace(".t", ".zt")
    shipping.write(path, 0, 1)
    shipping.finish(node.url, pattern, state)
    server.indices.put_settings(index=stream, settings={"index.blocks.write": True})
    shipping.write(path, 1, 12_000)
    shipper = shipping.start(node.url, pattern, state)
    try:
        shipping.until(lambda: "shipper.refused" in shipping.said(state))
        shipping.write(other, 0, 12_000)
        shipping.until(lambda: shipping.present(server, others) == 12_000)
        assert shipping.present(server, stream) == 1
        server.indices.put_settings(index=stream, settings={"index.blocks.write": False})
        shipping.until(lambda: shipping.present(server, stream) == 12_000, 120)
    finally:
        shipping.kill(shipper)

    assert shipping.faults(server, stream, 12_000) == (0, 0)


def test_a_document_with_a_field_that_does_not_fit_is_counted(node, place):
    path, pattern, state, stream = place
    with Report(node.url, None, threading.Event()) as report:
        before = report.ignored()
    line = orjson.loads(shipping.line(0))
    line["tutti"]["audio"] = {"seconds": "long"}
    path.write_bytes(orjson.dumps(line) + b"\n")
    shipping.finish(node.url, pattern, state)
    node.client().indices.refresh(index=stream)
    with Report(node.url, None, threading.Event()) as report:
        assert report.ignored() == before + 1
