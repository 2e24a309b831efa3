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


def _read_all(source) -> None:
    while batch := source.read():
        source.acknowledged = batch.end


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
