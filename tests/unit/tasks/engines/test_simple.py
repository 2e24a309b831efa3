"""The adapter of engines that make a song in a single go."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest

from tasks.engines.engine import Audio, Engine, Progress, Song
from tasks.engines.simple import Stepwise
from tasks.jobs import JobRequest

TICKS = 5


class Ticking:
    name, version = "ticking", "1"

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.ended = threading.Event()
        self.error: Exception | None = None

    def load(self) -> None: ...

    def generate(self, song: Song, progress: Progress) -> Audio:
        try:
            for tick in range(TICKS):
                self.taken.append(tick)
                progress(tick / TICKS, f"tick {tick}")
            if self.error:
                raise self.error
            return Audio(samples=np.zeros((2, 10), np.float32), sample_rate=48_000)
        finally:
            self.ended.set()


def song(number: int = 1) -> Song:
    return Song(job_id=f"a_{number}", variation=1, seed=number, request=JobRequest(prompt="a song"))


def test_a_song_advances_by_one_tick_a_step_and_no_further() -> None:
    engine = Ticking()
    stepwise = Stepwise(engine)
    assert isinstance(stepwise, Engine)
    state = stepwise.admit(song())
    assert engine.taken == []
    for tick in range(TICKS):
        stepwise.step([state])
        assert engine.taken == list(range(tick + 1))
        assert state.progress == pytest.approx(tick / TICKS)
        assert state.stage == f"tick {tick}"
        assert not state.done
    stepwise.step([state])
    assert state.done
    assert state.progress == 1.0
    assert stepwise.decode(state).samples.shape == (2, 10)


def test_a_dropped_song_stops_where_it_stands_and_leaves_no_thread() -> None:
    engine = Ticking()
    stepwise = Stepwise(engine)
    state = stepwise.admit(song(77))
    stepwise.step([state])
    del state
    gc.collect()
    assert engine.ended.wait(10)
    assert engine.taken == [0]
    deadline = time.monotonic() + 10
    while any(thread.name == "song-a_77" for thread in threading.enumerate()):
        assert time.monotonic() < deadline


def test_a_song_that_fails_is_done_and_its_neighbour_goes_on() -> None:
    good, bad = Ticking(), Ticking()
    bad.error = ValueError("no such chord")
    stepwise, other = Stepwise(good), Stepwise(bad)
    first, second = stepwise.admit(song()), other.admit(song(2))
    while not (first.done and second.done):
        stepwise.step([first, second])
    assert stepwise.decode(first).sample_rate == 48_000
    with pytest.raises(ValueError, match="no such chord"):
        other.decode(second)


def test_as_many_songs_fit_as_it_makes_together() -> None:
    stepwise = Stepwise(Ticking(), together=2)
    states = [stepwise.admit(song(1))]
    assert stepwise.fits(states, song(2))
    assert not stepwise.fits([*states, stepwise.admit(song(2))], song(3))


def test_a_song_that_is_not_done_has_no_audio_yet() -> None:
    stepwise = Stepwise(Ticking())
    with pytest.raises(RuntimeError, match="step it further"):
        stepwise.decode(stepwise.admit(song()))
