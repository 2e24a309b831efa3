import hashlib
import io
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tasks.jobs import ErrorClass, JobError
from tasks.storage.bounded import Bounded, GivenUp, Ticket
from tasks.storage.songs import Storage
from tests.servers import disk


def wav(seconds: float, level: float = 0.1) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full((round(seconds * 48_000), 2), level, np.float32), 48_000, format="WAV")
    return buffer.getvalue()


def opened(folder: Path, timeout: float = 20.0) -> Storage:
    storage = Storage(folder, timeout=timeout, reserve=0)
    storage.prepare()
    return storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return opened(tmp_path / "output")


def seen(storage: Storage) -> list[str]:
    return sorted(path.name for path in storage.folder.iterdir() if path.name != ".tutti")


def test_a_published_file_is_whole_and_hashed(storage: Storage) -> None:
    data = wav(1.0)
    stored = storage.publish("a_1.wav", 1, data, seconds=1.0)
    assert (storage.folder / "a_1.wav").read_bytes() == data
    assert (stored.bytes, stored.sha256, stored.mine) == (len(data), hashlib.sha256(data).hexdigest(), True)
    assert seen(storage) == ["a_1.wav"]


def test_the_second_writer_of_a_name_adopts_the_first_ones_file(storage: Storage) -> None:
    first = storage.publish("a_1.wav", 1, wav(1.0, 0.1), seconds=1.0)
    second = storage.publish("a_1.wav", 2, wav(1.0, 0.2), seconds=1.0)
    assert not second.mine
    assert (second.sha256, second.bytes) == (first.sha256, first.bytes)
    assert seen(storage) == ["a_1.wav"]


def test_of_many_writers_at_once_exactly_one_wins(storage: Storage) -> None:
    songs = [wav(0.2, level / 100) for level in range(16)]
    with ThreadPoolExecutor(16) as pool:
        stored = list(pool.map(lambda n: storage.publish("a_1.wav", n, songs[n]), range(16)))
    assert sum(one.mine for one in stored) == 1
    assert len({one.sha256 for one in stored}) == 1
    assert seen(storage) == ["a_1.wav"]


def test_audio_of_the_wrong_length_never_appears(storage: Storage) -> None:
    with pytest.raises(JobError) as error:
        storage.publish("a_1.wav", 1, wav(1.0), seconds=2.0)
    assert error.value.error_class == ErrorClass.INTERNAL
    assert seen(storage) == []


@pytest.mark.parametrize("name", ["../a.wav", "/etc/a.wav", ".hidden"])
def test_a_name_cannot_leave_the_folder(storage: Storage, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        storage.publish(name, 1, b"x")


def test_removing_what_is_gone_is_no_error(storage: Storage) -> None:
    storage.publish("a_1.wav", 1, b"x")
    assert storage.remove(["a_1.wav", "a_2.wav"]) == 1
    assert seen(storage) == []


def test_the_sweep_takes_only_what_dead_writers_left(storage: Storage) -> None:
    storage.publish("a_1.wav", 1, b"x")
    old, young = storage.folder / "a_2.wav.1-1.tmp", storage.folder / "a_3.wav.1-1.tmp"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    assert storage.sweep(3600) == 1
    assert seen(storage) == ["a_1.wav", young.name]


def test_a_nas_that_is_not_mounted_is_not_written_to(storage: Storage, tmp_path: Path) -> None:
    storage.folder.rename(tmp_path / "elsewhere")
    storage.folder.mkdir()  # the bare mount point
    for use in (storage.check, lambda: storage.publish("a_1.wav", 1, b"x")):
        with pytest.raises(JobError) as error:
            use()
        assert error.value.error_class == ErrorClass.STORAGE_UNAVAILABLE
    assert list(storage.folder.iterdir()) == []


def test_a_process_that_starts_while_the_nas_is_away_does_not_take_its_mount_point_for_it(
    storage: Storage, tmp_path: Path
) -> None:
    later = Storage(storage.folder, reserve=0, seen=tmp_path / "seen")
    later.prepare()
    elsewhere = storage.folder.rename(tmp_path / "elsewhere")
    storage.folder.mkdir()
    for _ in range(2):
        with pytest.raises(JobError, match="mounted before") as error:
            Storage(storage.folder, reserve=0, seen=tmp_path / "seen").prepare()
        assert error.value.error_class == ErrorClass.STORAGE_UNAVAILABLE
    assert list(storage.folder.iterdir()) == []
    storage.folder.rmdir()
    elsewhere.rename(storage.folder)
    later.prepare()
    assert later.publish("a_1.wav", 1, b"x").mine


def test_a_full_disk_is_told_apart_and_writing_resumes_when_there_is_room(tmp_path: Path) -> None:
    with disk.small(tmp_path / "nas") as folder:
        storage = opened(folder)
        (folder / "ballast").write_bytes(bytes(1_500_000))
        with pytest.raises(JobError) as error:
            storage.publish("a_1.wav", 1, wav(4.0))
        assert error.value.error_class == ErrorClass.STORAGE_FULL
        (folder / "ballast").unlink()
        assert seen(storage) == []
        assert storage.publish("a_1.wav", 1, wav(4.0)).mine


def test_a_disk_that_fills_while_writing_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    with disk.small(tmp_path / "nas") as folder:
        storage = opened(folder)
        storage._room_for = lambda size: None  # type: ignore[method-assign]  # another machine took the room
        with pytest.raises(JobError) as error:
            storage.publish("a_1.wav", 1, bytes(3_000_000))
        assert error.value.error_class == ErrorClass.STORAGE_FULL
        assert seen(storage) == []


def test_the_reserve_is_kept_free(tmp_path: Path) -> None:
    with disk.small(tmp_path / "nas") as folder:
        storage = Storage(folder, reserve=1 << 20)
        storage.prepare()
        storage.publish("a_1.wav", 1, bytes(500_000))
        with pytest.raises(JobError) as error:
            storage.publish("a_2.wav", 1, bytes(600_000))
        assert error.value.error_class == ErrorClass.STORAGE_FULL


def test_a_read_only_disk_is_unavailable_until_it_is_writable_again(tmp_path: Path) -> None:
    with disk.small(tmp_path / "nas") as folder:
        storage = opened(folder)
        disk.read_only(folder, on=True)
        for use in (storage.check, lambda: storage.publish("a_1.wav", 1, b"x")):
            with pytest.raises(JobError) as error:
                use()
            assert error.value.error_class == ErrorClass.STORAGE_UNAVAILABLE
        disk.read_only(folder, on=False)
        storage.check()
        assert storage.publish("a_1.wav", 1, b"x").mine


def test_a_disk_that_hangs_is_given_up_in_bounded_time_and_used_again_when_it_answers(tmp_path: Path) -> None:
    with disk.freezable(tmp_path / "nas") as frozen:
        storage = opened(frozen.folder, timeout=0.5)
        frozen.freeze()
        with pytest.raises(JobError) as error:
            storage.publish("a_1.wav", 1, b"")  # nothing to write: only the last guard is left
        assert error.value.error_class == ErrorClass.STORAGE_UNAVAILABLE
        frozen.thaw()
        patient = Storage(frozen.folder, reserve=0)
        assert patient.publish("a_1.wav", 1, b"again").mine, "the abandoned write must not have published"
        until = time.monotonic() + 10
        while any(name.endswith(".tmp") for name in seen(storage)):
            assert time.monotonic() < until
            time.sleep(0.01)
        assert (frozen.folder / "a_1.wav").read_bytes() == b"again"


def test_a_call_given_up_learns_of_it_at_its_next_check() -> None:
    go, outcome = threading.Event(), []

    def slow(ticket: Ticket) -> None:
        go.wait(20)
        try:
            ticket.commit()
        except GivenUp as error:
            outcome.append(error)

    bounded = Bounded(0.05, stuck_max=1)
    with pytest.raises(TimeoutError):
        bounded.call(slow)
    with pytest.raises(TimeoutError):  # the only slot is taken by the call that hangs
        bounded.call(lambda _: None)
    go.set()
    assert Bounded(20).call(lambda _: 7) == 7
    until = time.monotonic() + 10
    while not outcome:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_past_the_point_of_no_return_giving_up_is_refused() -> None:
    ticket = Ticket()
    ticket.commit()
    assert not ticket.give_up()
