"""Which files the shipper follows, and when it lets one go."""

import os
import time

import pytest

from observability import metrics
from observability.shipper import folder as module
from observability.shipper.folder import Folder
from observability.shipper.source import SILENT_SECONDS


@pytest.fixture
def folder(tmp_path):
    folder = Folder([str(tmp_path / "*.jsonl")], [])
    yield folder
    folder.close()


def _read_all(source) -> list[bytes]:
    texts = []
    while batch := source.read():
        source.acknowledged, source.tail = batch.end, source.tail_at(batch.end)
        texts += [line.text for line in batch.lines]
    return texts


def _copytruncate(path, copy) -> None:
    """As logrotate does it."""
    copy.write_bytes(path.read_bytes())
    with path.open("r+b") as file:
        file.truncate()


def test_a_deleted_file_is_kept_until_it_is_read_to_its_end(tmp_path, folder):
    path = tmp_path / "web.jsonl"
    path.write_bytes(b"one\n")
    folder.scan()
    path.unlink()
    folder.scan()
    [source] = folder.sources.values()

    _read_all(source)
    folder.scan()
    assert folder.sources == {}


def test_deleted_files_hold_only_so_much_disk_and_the_oldest_is_given_up(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(module, "HELD_MAX", 15)
    before = metrics.log_unshipped_deleted._value.get()
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(b"ten bytes\n")
        folder.scan()
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).unlink()
    folder.scan()

    assert [source.path.name for source in folder.sources.values()] == ["b.jsonl"]
    assert metrics.log_unshipped_deleted._value.get() - before == 10


def test_a_file_moved_away_is_let_go_once_silent_and_known_again_when_it_returns(tmp_path, folder):
    path, away = tmp_path / "web.jsonl", tmp_path / "kept"
    path.write_bytes(b"one\n")
    folder.scan()
    _read_all(*folder.sources.values())
    path.rename(away)
    folder.scan()
    assert len(folder.sources) == 1

    long_ago = time.time() - SILENT_SECONDS
    os.utime(away, (long_ago, long_ago))
    folder.scan()
    assert folder.sources == {}

    away.rename(path)
    folder.scan()
    [source] = folder.sources.values()
    assert source.read() is None


@pytest.fixture
def half_read(tmp_path, folder):
    """A followed file with two lines that were delivered and one that was not read yet."""
    path = tmp_path / "web.jsonl"
    path.write_bytes(b"one\ntwo\n")
    folder.scan()
    [source] = folder.sources.values()
    assert _read_all(source) == [b"one", b"two"]
    with path.open("ab") as file:
        file.write(b"three\n")
    return path, source


def test_a_copy_made_before_a_cut_goes_on_where_its_original_was(tmp_path, folder, half_read):
    path, source = half_read
    _copytruncate(path, tmp_path / "web.1.jsonl")
    path.write_bytes(b"four\n")
    folder.scan()

    [copy] = [other for other in folder.sources.values() if other is not source]
    assert _read_all(copy) == [b"three"]
    assert _read_all(source) == [b"four"]


def test_a_copy_is_known_after_its_original_was_found_cut(tmp_path, folder, half_read):
    path, source = half_read
    _copytruncate(path, tmp_path / "web.1.jsonl")
    path.write_bytes(b"four\n")
    assert _read_all(source) == [b"four"]
    folder.scan()

    [copy] = [other for other in folder.sources.values() if other is not source]
    assert _read_all(copy) == [b"three"]


def test_a_copy_made_while_no_shipper_ran_is_known_by_the_checkpoint(tmp_path, folder, half_read):
    path, source = half_read
    _copytruncate(path, tmp_path / "web.1.jsonl")
    path.write_bytes(b"four\n")
    later = Folder(folder.patterns, [source.saved()])
    later.scan()

    assert sorted(text for one in later.sources.values() for text in _read_all(one)) == [b"four", b"three"]
    later.close()


def test_a_copy_that_is_still_being_made_waits(tmp_path, folder, half_read):
    path, source = half_read
    copy = tmp_path / "web.1.jsonl"
    copy.write_bytes(path.read_bytes()[:6])
    folder.scan()
    assert list(folder.sources.values()) == [source]

    _copytruncate(path, copy)
    folder.scan()
    [copied] = [other for other in folder.sources.values() if other is not source]
    assert _read_all(copied) == [b"three"]


def test_a_file_that_only_begins_like_another_is_read_from_its_start(tmp_path, folder, half_read):
    other = tmp_path / "other.jsonl"
    other.write_bytes(b"one\nTWO\n")
    folder.scan()

    [begun] = [one for one in folder.sources.values() if one.path == other]
    assert _read_all(begun) == [b"one", b"TWO"]
