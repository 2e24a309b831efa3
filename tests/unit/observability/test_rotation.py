import os

import orjson
import pytest

from observability import metrics
from observability.lines import LineFile
from observability.logging import configure, get_logger
from observability.rotation import RotationLimits, prune, rotate, rotated
from observability.shipper.checkpoint import ShipperCheckpoint
from observability.shipper.flow import Flow
from observability.shipper.source import Source
from observability.unshipped import Loss

NOW = 1_795_000_000.0


def unexpected(loss: Loss) -> None:
    raise AssertionError(loss)


def test_a_small_young_file_stays(tmp_path):
    path = tmp_path / "web.jsonl"
    path.write_bytes(b'{"@timestamp":"2026-11-18T00:00:00Z"}\n')

    assert rotate(path, RotationLimits(seconds=1e12), NOW, on_loss=unexpected) is None
    assert path.exists()


def test_a_missing_file_is_nothing_to_do(tmp_path):
    assert rotate(tmp_path / "web.jsonl", RotationLimits(), on_loss=unexpected) is None


def test_a_large_file_is_renamed_with_its_content(tmp_path):
    path = tmp_path / "web.jsonl"
    path.write_bytes(b"x" * 100)

    target = rotate(path, RotationLimits(bytes=100), NOW, on_loss=unexpected)

    assert target is not None
    assert target.read_bytes() == b"x" * 100
    assert not path.exists()
    assert rotated(path) == [target]


def test_an_old_file_is_renamed_by_its_first_line(tmp_path):
    path = tmp_path / "web.jsonl"
    path.write_bytes(orjson.dumps({"@timestamp": "2026-11-01T00:00:00Z"}) + b"\n")

    assert rotate(path, RotationLimits(seconds=60), NOW, on_loss=unexpected) is not None


def test_two_rotations_in_one_second_keep_both_files(tmp_path):
    path = tmp_path / "web.jsonl"
    for content in (b"one", b"two"):
        path.write_bytes(content)
        rotate(path, RotationLimits(bytes=1), NOW, on_loss=unexpected)

    assert [file.read_bytes() for file in rotated(path)] == [b"one", b"two"]


def test_the_oldest_files_go_when_they_are_too_many(tmp_path):
    path = tmp_path / "web.jsonl"
    for number in range(5):
        path.write_bytes(b"x" * 10)
        rotate(path, RotationLimits(bytes=1, keep_bytes=30), NOW + number, on_loss=unexpected)

    assert len(rotated(path)) == 3


def test_files_unchanged_for_too_long_go(tmp_path):
    path = tmp_path / "web.jsonl"
    old = tmp_path / "web.20200101T000000-0.jsonl"
    old.write_bytes(b"x")
    os.utime(old, (NOW - 100, NOW - 100))
    path.write_bytes(b"x")

    rotate(path, RotationLimits(bytes=1, keep_seconds=50), NOW, on_loss=unexpected)

    assert not old.exists()


def test_a_writer_follows_the_name(tmp_path, monkeypatch):
    monkeypatch.setattr("observability.lines.LOOK_SECONDS", 0.0)
    file = LineFile(tmp_path / "web.jsonl")
    file.write(b"one\n")
    (tmp_path / "web.jsonl").rename(tmp_path / "old")
    file.write(b"two\n")
    (tmp_path / "web.jsonl").unlink()
    file.write(b"three\n")
    file.close()

    assert (tmp_path / "old").read_bytes() == b"one\n"
    assert (tmp_path / "web.jsonl").read_bytes() == b"three\n"


def test_a_torn_line_does_not_spoil_the_next(tmp_path, monkeypatch):
    file, before = LineFile(tmp_path / "web.jsonl"), metrics.log_dropped._value.get()
    write = os.write
    monkeypatch.setattr(os, "write", lambda number, data: write(number, data[:3]))
    file.write(b"abcdef\n")
    monkeypatch.undo()
    file.write(b"whole\n")
    file.close()

    assert (tmp_path / "web.jsonl").read_bytes() == b"abc\nwhole\n"
    assert metrics.log_dropped._value.get() - before == 1


def _shipped(tmp_path, *files: tuple[str, int]) -> None:
    """A checkpoint that knows of these files up to these offsets."""
    checkpoint = ShipperCheckpoint(tmp_path / "ship")
    entries = []
    for name, offset in files:
        path = tmp_path / "log" / name
        source = Source(path, os.open(path, os.O_RDONLY), Flow("logs-tutti.web-default"))
        source.read()
        source.acknowledged = offset
        entries.append(source.saved())
        source.close()
    checkpoint.save(entries, {})
    checkpoint.close()


@pytest.fixture
def three(tmp_path):
    """A log file and three rotated ones of 20 bytes each, of which the bounds keep one."""
    folder = tmp_path / "log"
    folder.mkdir()
    for name in ("web.1-0.jsonl", "web.2-0.jsonl", "web.3-0.jsonl"):
        (folder / name).write_bytes(f"{name[:13]:13}\n12345\n".encode())
    return folder / "web.jsonl"


KEEP_ONE = RotationLimits(keep_bytes=20, keep_seconds=float("inf"))


def test_files_that_are_not_shipped_stay_beyond_the_bound_of_the_others(tmp_path, three):
    _shipped(tmp_path, ("web.1-0.jsonl", 14), ("web.2-0.jsonl", 20), ("web.3-0.jsonl", 20))

    assert prune(three, KEEP_ONE, NOW) == []
    assert [file.name for file in rotated(three)] == ["web.1-0.jsonl", "web.3-0.jsonl"]


def test_files_the_shipper_does_not_know_stay_however_old_they_are(tmp_path, three):
    _shipped(tmp_path)

    assert prune(three, RotationLimits(keep_seconds=-1e12), NOW) == []
    assert len(rotated(three)) == 3


def test_a_damaged_checkpoint_lets_nothing_go(tmp_path, three):
    (tmp_path / "ship").mkdir()
    (tmp_path / "ship" / "checkpoint.json").write_bytes(b'{"files": [{}]')

    assert prune(three, KEEP_ONE, NOW) == []
    assert len(rotated(three)) == 3


def test_an_inode_used_anew_is_not_taken_for_the_file_that_was_shipped(tmp_path, three):
    _shipped(tmp_path, ("web.1-0.jsonl", 20))
    old = three.with_name("web.1-0.jsonl")
    with old.open("r+b") as file:
        file.write(b"other")

    assert prune(three, KEEP_ONE, NOW) == []
    assert old.exists()


def test_where_nobody_ships_the_bounds_alone_count(three):
    assert prune(three, KEEP_ONE, NOW) == []
    assert [file.name for file in rotated(three)] == ["web.3-0.jsonl"]


def test_what_is_deleted_unshipped_at_the_last_bound_is_counted_and_logged(tmp_path, three):
    _shipped(tmp_path, ("web.1-0.jsonl", 14), ("web.2-0.jsonl", 20))
    bounds = RotationLimits(bytes=1, keep_bytes=20, keep_unshipped_bytes=50, keep_seconds=float("inf"))
    before = metrics.log_unshipped_deleted._value.get()
    configure("tutti-web", three, bounds=bounds)
    three.write_bytes(b"{}\n")
    try:
        get_logger().info("first")
    finally:
        configure("tutti-test", None, level="error")

    assert metrics.log_unshipped_deleted._value.get() - before == 6
    lines = [orjson.loads(line) for line in three.read_bytes().splitlines()]
    [loss] = [line for line in lines if line["event"]["action"] == "log.unshipped_deleted"]
    assert loss["message"].startswith("web.1-0.jsonl was deleted with 6 bytes not shipped")
