"""One job's way, from accepted to its file, through a real broker, ledger, dispatcher and worker."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from tasks.jobs import ErrorClass, JobState
from tasks.queue.control import cancel_running
from tasks.storage.folders import located
from tests.servers import workers
from tests.servers.workers import Part, System, eventually


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with workers.running(tmp_path_factory.mktemp("cell"), deadline_seconds=30) as started:
        yield started


@pytest.fixture(scope="module")
def worker(system: System) -> Part:
    return system.start_worker()


@pytest.mark.parametrize("audio_format", ["wav", "flac", "mp3", "opus"])
def test_an_accepted_job_becomes_a_file_of_the_length_asked_for(
    system: System, worker: Part, audio_format: str
) -> None:
    job = system.wait(system.submit(format=audio_format, seed=5))
    assert job.state == JobState.SUCCEEDED, job
    (output,) = job.outputs
    path = located(system.settings.storage_path, output.name)
    assert output.name == f"{job.id}.{audio_format}"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == output.sha256
    assert path.stat().st_size == output.bytes
    assert soundfile.info(path).duration == pytest.approx(5.0, abs=0.15)
    assert (job.attempt, output.seed) == (1, 5)
    assert job.timings.encode > 0


def test_each_variation_has_its_file_and_seed(system: System, worker: Part) -> None:
    job = system.wait(system.submit(variations=3, seed=11))
    assert [output.name for output in job.outputs] == [f"{job.id}.wav", f"{job.id}-2.wav", f"{job.id}-3.wav"]
    assert sorted(output.seed or 0 for output in job.outputs) == [11, 12, 13]
    assert len({output.sha256 for output in job.outputs}) == 3


def test_the_lines_tell_the_jobs_story_under_one_trace_id(system: System, worker: Part) -> None:
    job = system.wait(system.submit())
    eventually(lambda: system.lines("job.succeeded", job.id))
    started, succeeded = system.lines("job.started", job.id), system.lines("job.succeeded", job.id)
    assert {line["trace"]["id"] for line in started + succeeded} == {workers.TRACEPARENT.split("-")[1]}
    (line,) = succeeded
    assert line["event"]["outcome"] == "success"
    assert 0 < line["event"]["duration"] < 60e9
    assert line["tutti"]["attempt"] == 1
    assert set(line["tutti"]["timings"]) == {"queue", "condition", "denoise", "decode", "encode", "store"}
    assert "plain tone" not in str(line), "prompts are not logged"


def test_a_running_job_is_cancelled_through_the_broker_and_its_worker_goes_on(
    system: System, worker: Part, tmp_path: Path
) -> None:
    job_id = system.submit(f"until={tmp_path / 'never'}")
    job = system.wait_for_stage(job_id)
    child = worker.child.pid
    system.ledger.submissions.cancel(job_id)
    assert job.worker
    cancel_running(system.settings, job.worker, job_id)
    job = system.wait(job_id)
    assert (job.state, job.error and job.error.error_class) == (
        JobState.CANCELLED,
        ErrorClass.CANCELLED_BY_USER,
    )
    assert worker.child.pid == child
    assert not [name for name in system.files() if name.startswith(job_id)]


def test_a_cancel_reaches_the_worker_by_its_lease_when_the_broker_says_nothing(
    system: System, worker: Part, tmp_path: Path
) -> None:
    job_id = system.submit(f"until={tmp_path / 'never'}")
    system.wait_for_stage(job_id)
    system.ledger.submissions.cancel(job_id)
    assert system.wait(job_id).state == JobState.CANCELLED


def test_a_request_that_crashes_the_engine_fails_while_its_neighbours_succeed(
    system: System, worker: Part, tmp_path: Path
) -> None:
    neighbours = [system.submit(f"until={tmp_path / 'go'}") for _ in range(2)]
    for job_id in neighbours:
        system.wait_for_stage(job_id)
    child = worker.child.pid
    poison = system.submit("a poison tone")
    eventually(lambda: worker.has_child and worker.child.pid != child)
    (tmp_path / "go").touch()  # from here on each of the three runs by itself
    failed = system.wait(poison)
    assert (failed.state, failed.error and failed.error.error_class) == (
        JobState.FAILED,
        ErrorClass.ENGINE_CRASH,
    )
    for job in map(system.wait, neighbours):
        assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1), "a neighbour's crash costs no attempt"
    assert worker.process.poll() is None


@pytest.mark.parametrize(
    ("prompt", "error_class"),
    [
        ("a huge tone", ErrorClass.OUT_OF_MEMORY),
        ("a faulty tone", ErrorClass.INTERNAL),
        ("please refuse this", ErrorClass.INVALID_REQUEST),
    ],
)
def test_a_job_that_cannot_be_made_says_why(
    system: System, worker: Part, prompt: str, error_class: ErrorClass
) -> None:
    job = system.wait(system.submit(prompt))
    assert (job.state, job.error and job.error.error_class) == (JobState.FAILED, error_class)
    eventually(lambda: system.lines("job.failed", job.id))
    assert system.lines("job.failed", job.id)[0]["tutti"]["error"]["class"] == error_class


def test_a_job_that_needs_all_memory_succeeds_alone(system: System, worker: Part, tmp_path: Path) -> None:
    neighbour = system.submit(f"until={tmp_path / 'go'}")
    system.wait_for_stage(neighbour)
    greedy = system.submit("so greedy a tone")
    eventually(lambda: system.job(greedy).state == JobState.RUNNING)
    (tmp_path / "go").touch()
    assert system.wait(greedy).state == JobState.SUCCEEDED
    assert system.wait(neighbour).attempt == 1


def test_no_temporary_file_is_left(system: System, worker: Part) -> None:
    system.wait(system.submit())
    assert not [name for name in system.files() if name.endswith(".tmp")]
