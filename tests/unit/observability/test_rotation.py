import os

import orjson

from observability.lines import LineFile
from observability.rotation import Bounds, rotate, rotated

NOW = 1_795_000_000.0


def test_a_small_young_file_stays(tmp_path):
    path = tmp_path / "web.jsonl"
    path.write_bytes(b'{"@timestamp":"2026-11-18T00:00:00Z"}\n')

    assert rotate(path, Bounds(seconds=1e12), NOW) is None
    assert path.exists()


def test_a_missing_file_is_nothing_to_do(tmp_path):
    assert rotate(tmp_path / "web.jsonl", Bounds()) is None


def test_a_large_file_is_renamed_with_its_content(tmp_path):
    path = tmp_path / "web.jsonl"
    path.write_bytes(b"x" * 100)

    target = rotate(path, Bounds(bytes=100), NOW)

    assert target is not None
    assert target.read_bytes() == b"x" * 100
    assert not path.exists()
    assert rotated(path) == [target]


def test_an_old_file_is_renamed_by_its_first_line(tmp_path):
    path = tmp_path / "web.jsonl"
    path.write_bytes(orjson.dumps({"@timestamp": "2026-11-01T00:00:00Z"}) + b"\n")

    assert rotate(path, Bounds(seconds=60), NOW) is not None


def test_two_rotations_in_one_second_keep_both_files(tmp_path):
    path = tmp_path / "web.jsonl"
    for content in (b"one", b"two"):
        path.write_bytes(content)
        rotate(path, Bounds(bytes=1), NOW)

    assert [file.read_bytes() for file in rotated(path)] == [b"one", b"two"]


def test_the_oldest_files_go_when_they_are_too_many(tmp_path):
    path = tmp_path / "web.jsonl"
    for number in range(5):
        path.write_bytes(b"x" * 10)
        rotate(path, Bounds(bytes=1, keep_bytes=30), NOW + number)

    assert len(rotated(path)) == 3


def test_files_unchanged_for_too_long_go(tmp_path):
    path = tmp_path / "web.jsonl"
    old = tmp_path / "web.20200101T000000-0.jsonl"
    old.write_bytes(b"x")
    os.utime(old, (NOW - 100, NOW - 100))
    path.write_bytes(b"x")

    rotate(path, Bounds(bytes=1, keep_seconds=50), NOW)

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
    file = LineFile(tmp_path / "web.jsonl")
    write = os.write
    monkeypatch.setattr(os, "write", lambda number, data: write(number, data[:3]))
    file.write(b"abcdef\n")
    monkeypatch.undo()
    file.write(b"whole\n")
    file.close()

    assert (tmp_path / "web.jsonl").read_bytes() == b"abc\nwhole\n"
    assert file.dropped == 1
