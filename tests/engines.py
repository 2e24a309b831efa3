"""Engines for tests of the worker: a tone, and tones that go wrong, told by words in the prompt.

`TUTTI_ENGINE=tests.engines:Tone`. Words: "crash" dies of SIGSEGV, "hang" never returns, "slow" waits for the
file named after it, "greedy" fits only alone, "huge" fits nowhere, "hungry" asks for more memory than
there is, "faulty" raises; "poison" dies in its third step, "refuse" is refused; "steps=30 pace=0.05" takes
so many steps of so many seconds.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tasks.engines.engine import Audio, EngineOutOfMemory, Song
from tasks.jobs import ErrorClass, JobError

RATE = 48_000
STEPS = 4


@dataclass
class ToneState:
    song: Song
    steps: int = STEPS
    taken: int = 0
    company: list[str] = field(default_factory=list)
    stage: str = "sounding"

    @property
    def done(self) -> bool:
        return self.taken >= self.steps

    @property
    def progress(self) -> float:
        return min(1.0, self.taken / self.steps)


def wants(song: Song, word: str) -> bool:
    return word in song.request.prompt.split()


def pace(song: Song) -> float:
    """Seconds that a step of this song takes."""
    told = re.search(r"pace=([\d.]+)", song.request.prompt)
    return float(told[1]) if told else 0.0


class Tone:
    """A sine whose pitch is the seed's; batches up to four songs."""

    name = "tone"
    version = "1"
    places = 4

    def __init__(self) -> None:
        self.loaded = False
        self.batches: list[list[str]] = []

    def load(self) -> None:
        self.loaded = True

    def unload(self) -> None:
        self.loaded = False

    def fits(self, states: Sequence[ToneState], song: Song) -> bool:
        return len(states) < self.places

    def admit(self, song: Song) -> ToneState:
        if wants(song, "refuse"):
            raise JobError(ErrorClass.INVALID_REQUEST, "this engine does not make that")
        steps = re.search(r"steps=(\d+)", song.request.prompt)
        return ToneState(song, steps=int(steps[1]) if steps else STEPS)

    def step(self, states: Sequence[ToneState]) -> None:
        self.batches.append([state.song.job_id for state in states])
        for state in states:
            self._misbehave(state, alone=len(states) == 1)
        time.sleep(max((pace(state.song) for state in states), default=0.0))
        for state in states:
            state.taken += 1

    def _misbehave(self, state: ToneState, *, alone: bool) -> None:
        song = state.song
        if wants(song, "crash") or (wants(song, "poison") and state.taken == 2):
            os.kill(os.getpid(), signal.SIGSEGV)
        if wants(song, "hang"):
            threading.Event().wait()
        if wants(song, "faulty"):
            raise RuntimeError("faulty")
        if wants(song, "huge") or (wants(song, "greedy") and not alone):
            raise EngineOutOfMemory("no room", song=song)
        if wants(song, "hungry") and state.taken == 2:
            np.ones(1 << 40)
        if slow := re.search(r"until=(\S+)", song.request.prompt):
            state.taken = min(state.taken, state.steps - 2)
            if Path(slow[1]).exists():
                state.taken = state.steps - 1
            else:
                time.sleep(0.01)

    def decode(self, state: ToneState) -> Audio:
        frames = round(state.song.request.duration * RATE)
        hertz = 220 + state.song.seed % 440
        wave = np.sin(np.arange(frames, dtype=np.float32) * np.float32(2 * np.pi * hertz / RATE))
        samples = np.stack([wave, wave]).astype(np.float32) * np.float32(0.1)
        return Audio(samples=samples, sample_rate=RATE, timings={"denoise": 0.5, "decode": 0.1})


class Sluggish(Tone):
    """A model that takes its time to load: two seconds, or for ever."""

    def load(self) -> None:
        time.sleep(float(os.environ.get("TONE_LOADS", "2")))


class Broken(Tone):
    """A model that does not load."""

    def load(self) -> None:
        raise FileNotFoundError("no such model")


class Flawed(Tone):
    """A version that makes no song."""

    version = "2"

    def step(self, states: Sequence[ToneState]) -> None:
        raise RuntimeError("flawed")


class Slow(Tone):
    """A version that takes longer."""

    version = "3"

    def step(self, states: Sequence[ToneState]) -> None:
        time.sleep(0.3)
        super().step(states)
