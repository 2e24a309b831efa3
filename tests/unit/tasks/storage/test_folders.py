"""In which folder a song lies."""

from __future__ import annotations

import time

import pytest

from tasks.jobs import new_job_id
from tasks.storage import folders
from tasks.storage.songs import Storage

NAMES = ("{}.wav", "{}-2.flac", "{}.mid", "{}.opus.sha256")


@pytest.fixture
def storage(tmp_path) -> Storage:
    made = Storage(tmp_path / "songs", reserve=0)
    made.prepare()
    return made


@pytest.mark.parametrize("name", NAMES)
def test_all_files_of_a_job_lie_beside_each_other_in_a_folder_of_its_time(name):
    job_id = new_job_id("a")
    assert folders.folder_of(name.format(job_id)).as_posix() == f"{job_id[2:7]}/{job_id[7:9]}"


def test_a_folder_holds_the_songs_of_half_a_minute(monkeypatch):
    began = 1_800_000_000
    found = {}
    for seconds in range(0, 86_400, 7):
        monkeypatch.setattr(time, "time_ns", lambda now=began + seconds: now * 10**9)
        found.setdefault(folders.folder_of(f"{_later()}.wav"), set()).add(seconds)
    assert max(max(times) - min(times) for times in found.values()) <= 33
    assert sorted(found) == list(found), "folders do not sort by time"
    assert len({folder.parent for folder in found}) <= 4


def _later() -> str:
    from tasks.jobs.ids import _Ulids

    number = _Ulids().next()
    from tasks.jobs import BASE32

    return "a_" + "".join(BASE32[number >> shift & 31] for shift in range(125, -1, -5))


@pytest.mark.parametrize("name", ["song.wav", "a_1.wav", "a_01kb.wav", f"{'a_' + '0' * 27}.wav"])
def test_what_no_job_made_lies_in_none(name, tmp_path):
    assert folders.located(tmp_path, name) == tmp_path / name


def test_a_song_is_published_there_and_its_folders_go_with_the_last(storage):
    one = new_job_id("a")
    two = f"{one[:-1]}{'0' if one[-1] != '0' else '1'}"  # of the same moment
    for job_id in (one, two):
        assert storage.publish(f"{job_id}.wav", 1, b"sound").mine
    folder = storage.folder / folders.folder_of(f"{one}.wav")
    assert sorted(path.name for path in folder.iterdir()) == sorted([f"{one}.wav", f"{two}.wav"])
    storage.hash_of(f"{one}.wav")
    assert storage.remove([f"{one}.wav"]) == 1
    assert [path.name for path in folder.iterdir()] == [f"{two}.wav"]
    assert storage.remove([f"{two}.wav"]) == 1
    assert [path.name for path in storage.folder.iterdir()] == [".tutti"]


def test_a_song_from_before_stays_where_it_is(storage):
    name = f"{new_job_id('a')}.wav"
    (storage.folder / name).write_bytes(b"as it was")
    stored = storage.publish(name, 1, b"another")
    assert not stored.mine
    assert folders.located(storage.folder, name).read_bytes() == b"as it was"
    assert storage.remove([name]) == 1
    assert not (storage.folder / name).exists()


def test_a_folder_that_goes_just_as_a_song_comes_is_made_again(storage, monkeypatch):
    from tasks.storage import songs

    name, publish, gone = f"{new_job_id('a')}.wav", songs.publish_once, []

    def late(temporary, final):
        if not gone:
            gone.append(final.parent.rmdir())
        return publish(temporary, final)

    monkeypatch.setattr(songs, "publish_once", late)
    assert storage.publish(name, 1, b"sound").mine
    assert folders.located(storage.folder, name).read_bytes() == b"sound"
