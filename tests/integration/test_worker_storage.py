"""A NAS that is full, read-only or hangs: jobs wait or fail with its class; writing resumes by itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.jobs import ErrorClass, JobState
from tasks.storage.songs import Storage
from tests.servers import disk, workers
from tests.servers.workers import System, eventually


@pytest.fixture
def nas(tmp_path: Path) -> Iterator[Path]:
    with disk.small(tmp_path / "nas", size="80m") as folder:  # 64 MiB of it are kept free
        yield folder


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(17 << 20))
    return ballast


@pytest.fixture
def system(tmp_path: Path, nas: Path) -> Iterator[System]:
    with workers.running(tmp_path / "cell", storage=nas) as started:
        yield started


def test_a_song_waits_for_a_full_nas_and_is_stored_when_there_is_room(
    system: System, nas: Path, tmp_path: Path
) -> None:
    system.start_worker()
    job_id = system.submit(f"until={tmp_path / 'go'}")
    system.wait_for_stage(job_id)
    ballast = fill(nas)
    (tmp_path / "go").touch()
    system.wait_for_stage(job_id, "storage is full")
    late = system.submit()
    assert [name for name in system.files() if name.endswith((".wav", ".tmp"))] == []
    assert system.job(late).state == JobState.QUEUED, "no new job is begun while none can be stored"
    ballast.unlink()
    for job in (system.wait(job_id), system.wait(late)):
        assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)


def test_a_nas_that_stays_read_only_fails_the_job_with_its_class(
    system: System, nas: Path, tmp_path: Path
) -> None:
    system.start_worker(storage_wait=1)
    job_id = system.submit(f"until={tmp_path / 'go'}")
    system.wait_for_stage(job_id)
    disk.read_only(nas, on=True)
    (tmp_path / "go").touch()
    job = system.wait(job_id)
    assert (job.state, job.error and job.error.error_class) == (
        JobState.FAILED,
        ErrorClass.STORAGE_UNAVAILABLE,
    )
    disk.read_only(nas, on=False)
    assert system.wait(system.submit()).state == JobState.SUCCEEDED
    assert not [name for name in system.files() if name.startswith(job_id)]


def test_a_nas_that_hangs_keeps_neither_the_lease_nor_the_end_of_the_worker(tmp_path: Path) -> None:
    with (
        disk.freezable(tmp_path / "nas", megabytes=100) as frozen,
        workers.running(tmp_path / "cell", storage=frozen.folder) as system,
    ):
        worker = system.start_worker(storage_timeout=1, drain_seconds=1)
        job_id = system.submit(f"until={tmp_path / 'go'}")
        system.wait_for_stage(job_id)
        frozen.freeze()
        (tmp_path / "go").touch()
        system.wait_for_stage(job_id, "does not answer")
        assert all(view.alive for view in system.ledger.views.workers())
        worker.send(signal.SIGTERM)
        eventually(lambda: system.job(job_id).state == JobState.QUEUED)
        frozen.thaw()  # a process whose thread hangs in the kernel cannot end before
        assert worker.process.wait(20) == 0
        system.start_worker(device=1)
        assert system.wait(job_id).state == JobState.SUCCEEDED
        Storage(frozen.folder).sweep(0)
        assert system.files() == [f"{job_id}.wav", "lost+found"]
