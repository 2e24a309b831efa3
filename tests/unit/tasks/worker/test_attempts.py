import datetime as dt
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.jobs import ErrorClass, Job, JobError, JobRequest, JobState
from tasks.settings import Settings
from tasks.worker.admission import Admission
from tasks.worker.attempts import Attempt, Attempts, HandedBack, Interrupted, songs_of
from tasks.worker.process import EngineProcess


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    started = EngineProcess(Settings(data=tmp_path_factory.mktemp("data"), engine="tests.engines:Tone"))
    yield started
    started.close()


def job(prompt: str = "a plain tone", **fields: object) -> Job:
    request = JobRequest(prompt=prompt, duration=5, **fields)  # type: ignore[arg-type]
    return Job(
        id=prompt, state=JobState.RUNNING, request=request, attempt=1, created_at=dt.datetime.now(dt.UTC)
    )


class Background(threading.Thread):
    """A run in a thread of its own, as each has in the worker."""

    def __init__(
        self, engine: EngineProcess, wanted: Job, deadline: float = 60, loading: float = 60, crashes: int = 0
    ) -> None:
        super().__init__()
        self.admission = Admission(8)
        self.current = Attempt(
            wanted,
            1,
            engine=engine,
            admission=self.admission,
            deadline=deadline,
            loading=loading,
            crashes=lambda: crashes,
        )
        self.made = 0
        self.error: Exception | None = None
        self.free = threading.Event()
        self.start()

    def run(self) -> None:
        try:
            self.made = sum(1 for _ in self.current.songs(self.free.set))
        except Exception as error:
            self.error = error

    def until_moved(self) -> None:
        """Wait until the engine has reported progress."""
        for _ in range(2000):
            if self.current.progress[1] == "sounding":
                return
            self.join(0.01)
        raise AssertionError("it never began")

    def result(self) -> Exception | int:
        self.join(60)
        assert not self.is_alive()
        return self.error or self.made


def test_every_variation_comes_once_and_then_the_engine_is_free(engine: EngineProcess) -> None:
    run = Background(engine, job(variations=3))
    assert run.result() == 3
    assert run.free.is_set()
    assert run.current.progress[0] == 1.0
    assert not engine.busy


def test_a_cancelled_run_ends_and_leaves_the_engine(engine: EngineProcess, tmp_path: Path) -> None:
    run = Background(engine, job(f"until={tmp_path / 'never'}"))
    run.until_moved()
    run.current.interrupt("cancelled")
    error = run.result()
    assert isinstance(error, Interrupted)
    assert error.reason == "cancelled"
    assert engine.loaded, "a cancel must not cost the process"


def test_a_song_past_its_deadline_leaves_and_its_neighbour_goes_on(
    engine: EngineProcess, tmp_path: Path
) -> None:
    neighbour = Background(engine, job(f"until={tmp_path / 'go'}"))
    neighbour.until_moved()
    pid = engine.pid
    late = Background(engine, job(f"until={tmp_path / 'never'}"), deadline=0.3)
    error = late.result()
    assert isinstance(error, JobError)
    assert error.error_class == ErrorClass.DEADLINE
    (tmp_path / "go").touch()
    assert neighbour.result() == 1
    assert engine.pid == pid


def test_an_engine_that_hangs_is_killed_at_the_deadline_and_the_neighbour_runs_again(
    engine: EngineProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.worker.attempts.LEAVE_PATIENCE", 0.2)
    neighbour = Background(engine, job(f"until={tmp_path / 'go'}"))
    neighbour.until_moved()
    pid = engine.pid
    error = Background(engine, job("a hang tone"), deadline=0.5).result()
    assert isinstance(error, JobError)
    assert error.error_class == ErrorClass.DEADLINE
    (tmp_path / "go").touch()
    assert neighbour.result() == 1
    assert engine.pid != pid
    assert not neighbour.current.alone, "who was killed on purpose is no suspect"


def test_a_crash_is_charged_only_to_the_job_that_crashes_alone(engine: EngineProcess, tmp_path: Path) -> None:
    neighbour = Background(engine, job(f"until={tmp_path / 'go'}"))
    neighbour.until_moved()
    poison = Background(engine, job("a poison tone"))
    (tmp_path / "go").touch()
    assert neighbour.result() == 1
    error = poison.result()
    assert isinstance(error, HandedBack)
    assert (error.reason, error.charged, error.alone) == ("engine_crash", True, True)


def test_the_second_crash_alone_is_the_jobs_end(engine: EngineProcess) -> None:
    poison = job("a crash tone").model_copy(update={"extra": {"alone": True, "charged": 1}})
    error = Background(engine, poison, crashes=1).result()
    assert isinstance(error, JobError)
    assert error.error_class == ErrorClass.ENGINE_CRASH


def test_a_lost_worker_is_no_crash_of_the_job(engine: EngineProcess) -> None:
    suspect = job("a crash tone").model_copy(update={"extra": {"alone": True, "charged": 1}})
    error = Background(engine, suspect).result()
    assert isinstance(error, HandedBack)
    assert (error.reason, error.charged) == ("engine_crash", True)


def test_a_model_that_does_not_load_hands_the_job_back_and_the_worker_rests(tmp_path: Path) -> None:
    broken = EngineProcess(Settings(data=tmp_path, engine="tests.engines:Broken"))
    run = Background(broken, job())
    error = run.result()
    assert isinstance(error, HandedBack)
    assert (error.reason, error.charged) == ("engine_unavailable", False)
    assert run.admission.obstacle == "engine"
    broken.close()


def test_a_cold_start_does_not_count_against_the_deadline(tmp_path: Path) -> None:
    cold = EngineProcess(Settings(data=tmp_path, engine="tests.engines:Sluggish"))
    assert Background(cold, job(), deadline=1).result() == 1
    cold.close()


def test_an_engine_that_hangs_while_it_loads_is_ended_and_its_job_handed_back(tmp_path: Path) -> None:
    hanging = EngineProcess(Settings(data=tmp_path, engine="tests.engines:Sluggish"), {"TONE_LOADS": "600"})
    error = Background(hanging, job(), deadline=0.1, loading=0.5).result()
    assert isinstance(error, HandedBack)
    assert error.reason == "engine_unavailable"
    for _ in range(2000):
        if hanging.pid is None:
            break
        time.sleep(0.01)
    assert hanging.pid is None
    hanging.close()


def test_what_is_out_of_a_workers_hands_weighs_more_than_a_cancel(engine: EngineProcess) -> None:
    run = Attempt(job(), 1, engine=engine, admission=Admission(1), deadline=60)
    run.interrupt("cancelled")
    run.check_mine()
    run.interrupt("lease_lost")
    with pytest.raises(Interrupted, match="lease_lost"):
        run.check_mine()


def test_a_run_is_found_by_its_job(engine: EngineProcess) -> None:
    runs = Attempts()
    run = Attempt(job(), 1, engine=engine, admission=Admission(1), deadline=60)
    runs.add(run)
    assert runs.cancel(run.job.id)
    assert not runs.cancel("another")
    runs.remove(run)
    assert runs.all() == []


def test_a_jobs_variations_have_seeds_of_their_own_and_the_same_at_every_attempt() -> None:
    assert [song.seed for song in songs_of(job(seed=2**32 - 1, variations=3))] == [2**32 - 1, 0, 1]
    unseeded = job(variations=2)
    assert songs_of(unseeded) == songs_of(unseeded.model_copy(update={"attempt": 2}))
