"""What a worker does when it is told to end, dies, sleeps past its lease, or its engine hangs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from tasks.jobs import ErrorClass, Job, JobState
from tasks.storage.folders import located
from tests.servers import workers
from tests.servers.workers import System, eventually


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with workers.running(tmp_path / "cell") as started:
        yield started


def holds(system: System, job: Job) -> bool:
    """Whether the job's one file is what the ledger says, and nothing else is there."""
    (output,) = job.outputs
    path = located(system.settings.storage_path, output.name)
    mine = [name for name in system.files() if name.startswith(job.id)]
    return mine == [output.name] and soundfile.info(path).duration == pytest.approx(5.0)


def test_a_deadline_ends_the_engine_but_never_the_worker(system: System) -> None:
    worker = system.start_worker(deadline_seconds=2)
    job = system.wait(system.submit("a hang tone"))
    assert (job.state, job.error and job.error.error_class) == (JobState.FAILED, ErrorClass.DEADLINE)
    assert system.wait(system.submit()).state == JobState.SUCCEEDED
    assert worker.process.poll() is None


def test_a_worker_told_to_end_finishes_what_it_can(system: System, tmp_path: Path) -> None:
    worker = system.start_worker(drain_seconds=30)
    job_id = system.submit(f"until={tmp_path / 'go'}")
    system.wait_for_stage(job_id)
    worker.send(signal.SIGTERM)
    (tmp_path / "go").touch()
    assert worker.process.wait(40) == 0
    job = system.job(job_id)
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)
    assert not any(view.alive for view in system.ledger.views.workers())


def test_a_worker_told_to_end_gives_back_in_time_what_it_cannot_finish(
    system: System, tmp_path: Path
) -> None:
    worker = system.start_worker(drain_seconds=1)
    job_ids = [system.submit(f"until={tmp_path / 'go'}") for _ in range(3)]
    for job_id in job_ids:
        system.wait_for_stage(job_id)
    assert worker.end(signal.SIGTERM, limit=15) == 0
    assert {system.job(job_id).state for job_id in job_ids} == {JobState.QUEUED}
    (tmp_path / "go").touch()
    system.start_worker()
    for job in map(system.wait, job_ids):
        assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)
        assert holds(system, job)


def test_the_jobs_of_a_killed_worker_run_on_another(system: System, tmp_path: Path) -> None:
    first = system.start_worker()
    job_id = system.submit(f"until={tmp_path / 'go'}")
    system.wait_for_stage(job_id)
    child = first.child
    first.end(signal.SIGKILL)
    eventually(lambda: not child.is_running() or child.status() == "zombie")
    system.start_worker(device=1)
    (tmp_path / "go").touch()
    job = system.wait(job_id)
    assert (job.state, job.attempt, job.worker) == (JobState.SUCCEEDED, 2, "gpu1@box")
    assert holds(system, job)


def test_a_worker_that_slept_past_its_lease_overwrites_nothing(system: System, tmp_path: Path) -> None:
    sleeper = system.start_worker()
    job_id = system.submit(f"until={tmp_path / 'go'}")
    system.wait_for_stage(job_id)
    sleeper.send(signal.SIGSTOP)
    system.start_worker(device=1)
    (tmp_path / "go").touch()
    job = system.wait(job_id)
    path = located(system.settings.storage_path, job.outputs[0].name)
    before = path.stat().st_mtime_ns, path.read_bytes()
    sleeper.send(signal.SIGCONT)
    eventually(lambda: system.lines("worker.lease_lost"))
    assert system.wait(system.submit()).state == JobState.SUCCEEDED
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    assert system.job(job_id) == job
    assert holds(system, job)
    assert len(system.lines("job.succeeded", job_id)) == 1


def test_an_idle_model_leaves_and_comes_back_with_the_next_job(system: System) -> None:
    worker = system.start_worker(idle_unload=0.5)
    assert not worker.has_child, "the model is loaded on demand"
    system.wait(system.submit())
    eventually(lambda: not worker.has_child)
    assert system.wait(system.submit()).state == JobState.SUCCEEDED


def test_a_second_worker_of_the_same_name_does_not_start(system: System) -> None:
    system.start_worker()
    assert system.start("worker").process.wait(40) == 75


def test_a_model_that_does_not_load_fails_no_job(system: System) -> None:
    bad = system.start("worker", engine="tests.engines:Broken")
    job_id = system.submit()
    eventually(lambda: system.lines("worker.engine_unavailable"))
    assert bad.end() == 0
    assert not system.job(job_id).state.final
    system.start_worker(device=1)
    assert system.wait(job_id).state == JobState.SUCCEEDED
