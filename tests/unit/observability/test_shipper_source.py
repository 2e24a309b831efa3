"""How the shipper reads a file: its last line, its cuts, its hostile lines."""

import os
import time

import pytest

from observability.shipper.flow import Flow
from observability.shipper.line import BLOCK, LINE_MAX
from observability.shipper.source import SILENT_SECONDS, Source


@pytest.fixture
def follow(tmp_path):
    """Follow a file of some content under some name."""
    opened = []

    def start(content: bytes, name: str = "web.jsonl") -> Source:
        path = tmp_path / name
        path.write_bytes(content)
        opened.append(Source(path, os.open(path, os.O_RDONLY), Flow("logs-tutti.web-default")))
        return opened[-1]

    yield start
    for source in opened:
        source.close()


def _all(source: Source) -> list[bytes]:
    texts = []
    while batch := source.read():
        texts += [line.text for line in batch.lines]
    return texts


def _silent(source: Source) -> None:
    long_ago = time.time() - SILENT_SECONDS
    os.utime(source.path, (long_ago, long_ago))


def test_ids_are_of_one_length_rise_with_the_place_and_stay_the_same(follow):
    source = follow(b"".join(b"%d\n" % number for number in range(5000)))
    ids = [line.id for batch in iter(source.read, None) for line in batch.lines]
    source.read_to = 0

    assert ids == sorted(set(ids))
    assert len({len(one) for one in ids}) == 1
    assert ids == [line.id for batch in iter(source.read, None) for line in batch.lines]


def test_the_unfinished_last_line_of_a_file_put_away_is_taken_once_it_is_silent(follow):
    source = follow(b"one\ntwo", "web.20261123T110452-0.jsonl")

    assert _all(source) == [b"one"]
    _silent(source)
    assert _all(source) == [b"two"]
    assert source.read_to == source.size()
    assert _all(source) == []


def test_the_unfinished_last_line_of_a_deleted_file_is_taken_too(follow):
    source = follow(b"one\ntwo")
    _silent(source)
    assert _all(source) == [b"one"]

    source.path.unlink()
    assert _all(source) == [b"two"]


def test_the_unfinished_last_line_of_the_file_in_use_waits_for_its_end(follow):
    source = follow(b"one\ntw")
    _silent(source)
    assert _all(source) == [b"one"]

    with source.path.open("ab") as file:
        file.write(b"o\n")
    assert _all(source) == [b"two"]


def test_an_end_that_comes_after_all_is_not_taken_for_a_cut(follow):
    source = follow(b"one\ntw", "web.jsonl.1")
    _silent(source)
    assert _all(source) == [b"one", b"tw"]

    with source.path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert _all(source) == [b"o", b"three"]
    assert source.generation == 0


def test_a_file_cut_and_grown_past_its_old_end_starts_over(follow):
    source = follow(b"first of the old\nsecond\n")
    assert len(_all(source)) == 2

    with source.path.open("r+b") as file:
        file.truncate()
        file.write(b"first of the new\n" * 10)
    assert _all(source) == [b"first of the new"] * 10
    assert source.generation == 1


def test_a_line_longer_than_allowed_is_passed_over_and_its_neighbours_are_read(follow):
    source = follow(b"one\n" + b"x" * (LINE_MAX + 1) + b"\ntwo\n" + b"y" * (3 * BLOCK) + b"\nthree\n")
    batches = list(iter(source.read, None))

    assert [line.text for batch in batches for line in batch.lines] == [b"one", b"two", b"three"]
    assert [line.offset for batch in batches for line in batch.oversize] == [4, LINE_MAX + 10]
    assert source.read_to == source.size()


def test_an_endless_line_is_searched_once_and_given_up_with_its_writer(follow):
    source = follow(b"x" * (BLOCK + 10), "web.jsonl.1")
    assert source.read() is None
    assert source.searched_to == BLOCK + 10

    _silent(source)
    batch = source.read()
    assert batch is not None
    assert (batch.end, len(batch.oversize)) == (source.size(), 1)
    assert source.known


def test_bytes_that_are_no_utf8_are_mended_without_moving_the_next_line(follow):
    source = follow(b"a\xff\nb\n")
    batch = source.read()

    assert batch is not None
    assert [line.text for line in batch.lines] == ["a\ufffd".encode(), b"b"]
    assert [line.offset for line in batch.lines] == [0, 3]
    assert batch.repaired == 1
