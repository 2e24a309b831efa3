"""ACE-Step where it really runs: in the worker's child process, songs in and sound out by the pipe."""

from __future__ import annotations

import queue
import time

import numpy as np
import pytest

from tasks.jobs import ErrorClass
from tasks.settings import Settings
from tasks.worker.messages import Broke, Died, Made, Moved
from tasks.worker.process import EngineProcess
from tests.unit.tasks.engines.acestep.songs import song
from tests.unit.tasks.engines.acestep.tiny_checkpoint import RATE

PATIENCE = 120.0


@pytest.fixture
def process(turbo, tmp_path):
    chosen = Settings(data=tmp_path, engine="acestep", model=str(turbo))
    # no GPU, so that this says the same everywhere; one thread, so that tests side by side are not slow
    started = EngineProcess(chosen, {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"})
    yield started
    started.close()


def until(heard: queue.SimpleQueue, kind: type) -> list[object]:
    """All that was heard up to the first of this kind."""
    end, found = time.monotonic() + PATIENCE, []
    while not found or not isinstance(found[-1], kind):
        found.append(heard.get(timeout=max(0.01, end - time.monotonic())))
        assert not isinstance(found[-1], Died), found[-1]
    return found


def test_songs_of_strangers_are_made_together_and_are_those_alone(process, engine):
    songs = [song(1), song(2, duration=7.3, steps=4), song(3, duration=12.0, steps=2)]
    heard = [queue.SimpleQueue() for _ in songs]
    for one, line in zip(songs, heard, strict=True):
        process.make([one], line.put)
    bad = queue.SimpleQueue()
    process.make([song(4, lora="nobody")], bad.put)
    for one, line in zip(songs, heard, strict=True):
        events = until(line, Made)
        state = engine.admit(one)
        while not state.done:
            engine.step([state])
        wanted = engine.decode(state).samples
        made = events[-1]
        assert made.audio.sample_rate == RATE
        assert np.abs(made.audio.samples.astype(int) - wanted).max() <= 2
        assert all(event.stage for event in events if isinstance(event, Moved))
    broke = until(bad, Broke)[-1]
    assert broke.error_class is ErrorClass.INVALID_REQUEST
    assert process.loaded.name == "acestep"
