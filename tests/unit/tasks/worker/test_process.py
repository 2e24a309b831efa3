import os
import queue
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import pytest

from tasks.engines.engine import Song
from tasks.jobs import ErrorClass, JobRequest
from tasks.settings import Settings
from tasks.worker.messages import Broke, Died, Joined, Left, Made
from tasks.worker.process import EngineProcess

T = TypeVar("T")


class Listener:
    """Hears what happens to one run."""

    def __init__(
        self, engine: EngineProcess, prompt: str = "a plain tone", *, songs: int = 1, alone: bool = False
    ):
        self.heard: queue.SimpleQueue[object] = queue.SimpleQueue()
        request = JobRequest(prompt=prompt, duration=5)
        wanted = [Song(job_id="j", variation=n + 1, seed=n, request=request) for n in range(songs)]
        self.order = engine.make(wanted, self.heard.put, alone=alone)

    def wait(self, kind: type[T] | tuple[type[T], ...]) -> T:
        until = time.monotonic() + 30
        while True:
            event = self.heard.get(timeout=max(0.01, until - time.monotonic()))
            if isinstance(event, kind):
                return event


def made_in_the_end(engine: EngineProcess) -> Made:
    """A song's audio, ordered again if the process was just about to end."""
    while True:
        match Listener(engine).wait((Made, Died)):
            case Made() as made:
                return made
            case Died(suspect=suspect):
                assert not suspect


def eventually(what: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until, "it never came to be"
        time.sleep(0.01)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    started = EngineProcess(Settings(data=tmp_path, engine="tests.engines:Tone"))
    yield started
    started.close()


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_those_who_wait_hear_how_long_loading_took(engine: EngineProcess, tmp_path: Path) -> None:
    Settings(data=tmp_path).run_path.mkdir(parents=True, exist_ok=True)
    assert engine.loading == "loading the model for the first time"
    Listener(engine).wait(Made)
    assert re.fullmatch(r"loading the model, about \d+ s", engine.loading)


def test_no_process_is_there_before_the_first_song(engine: EngineProcess) -> None:
    assert engine.pid is None
    assert Listener(engine).wait(Made).audio.samples.shape == (2, 240_000)
    assert engine.pid is not None


def test_samples_arrive_unchanged_and_each_variation_is_its_own(engine: EngineProcess) -> None:
    listener = Listener(engine, songs=2)
    first, second = sorted((listener.wait(Made) for _ in range(2)), key=lambda made: made.variation)
    for made, seed in ((first, 0), (second, 1)):
        hertz = np.float32(2 * np.pi * (220 + seed) / 48_000)
        wave = np.sin(np.arange(240_000, dtype=np.float32) * hertz) * np.float32(0.1)
        np.testing.assert_array_equal(made.audio.samples[1], wave)
    eventually(lambda: not engine.busy)


def test_a_cancelled_run_leaves_while_its_neighbour_goes_on(engine: EngineProcess, tmp_path: Path) -> None:
    endless, other = Listener(engine, f"until={tmp_path / 'never'}"), Listener(engine, "steps=40")
    endless.wait(Joined)
    engine.leave(endless.order)
    endless.wait(Left)
    other.wait(Made)
    assert not engine.busy


def test_a_crash_makes_suspects_of_those_inside_and_the_next_song_gets_a_new_process(
    engine: EngineProcess, tmp_path: Path
) -> None:
    neighbour = Listener(engine, f"until={tmp_path / 'never'}")
    neighbour.wait(Joined)
    crasher = Listener(engine, "a crash tone")
    for listener in (neighbour, crasher):
        died = listener.wait(Died)
        assert (died.suspect, died.alone, died.loading, died.detail) == (True, False, False, "SIGSEGV")
    Listener(engine).wait(Made)


def test_who_crashes_alone_is_told_so(engine: EngineProcess) -> None:
    died = Listener(engine, "a crash tone").wait(Died)
    assert (died.suspect, died.alone) == (True, True)


def test_a_process_killed_on_purpose_leaves_no_suspects(engine: EngineProcess) -> None:
    listener = Listener(engine, "a hang tone")
    listener.wait(Joined)
    engine.kill()
    assert not listener.wait(Died).suspect
    Listener(engine).wait(Made)


def test_a_model_that_does_not_load_blames_no_job(tmp_path: Path) -> None:
    engine = EngineProcess(Settings(data=tmp_path, engine="tests.engines:Broken"))
    died = Listener(engine).wait(Died)
    assert (died.suspect, died.loading, died.detail) == (False, True, "FileNotFoundError: no such model")
    engine.close()


def test_an_error_of_a_song_alone_names_its_class_and_the_process_is_renewed(engine: EngineProcess) -> None:
    listener = Listener(engine, "a faulty tone")
    assert listener.wait(Broke).error_class == ErrorClass.INTERNAL
    assert made_in_the_end(engine)


def test_unloading_ends_the_process_and_the_next_song_starts_one(engine: EngineProcess) -> None:
    Listener(engine).wait(Made)
    pid = engine.pid
    assert pid is not None
    engine.unload()
    eventually(lambda: gone(pid) and engine.pid is None)
    assert made_in_the_end(engine)


def test_unloading_disturbs_nobody(engine: EngineProcess, tmp_path: Path) -> None:
    listener = Listener(engine, f"until={tmp_path / 'go'}")
    listener.wait(Joined)
    engine.unload()
    (tmp_path / "go").touch()
    listener.wait(Made)


def test_terminating_signals_are_the_workers_to_act_on(engine: EngineProcess, tmp_path: Path) -> None:
    listener = Listener(engine, f"until={tmp_path / 'go'}")
    listener.wait(Joined)
    assert engine.pid is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(engine.pid, number)
    (tmp_path / "go").touch()
    listener.wait(Made)


@pytest.mark.parametrize("prompt", ["a plain tone", "a hang tone"])
def test_the_engine_process_ends_with_a_killed_worker(tmp_path: Path, prompt: str) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tasks.settings import Settings\n"
        "from tests.unit.tasks.worker.test_process import *\n"
        f"engine = EngineProcess(Settings(data=Path({str(tmp_path)!r}), engine='tests.engines:Tone'))\n"
        f"Listener(engine, {prompt!r}).wait(Joined)\n"
        "print(engine.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    child = int(worker.stdout.readline())
    worker.kill()
    worker.wait()
    eventually(lambda: gone(child))
