"""The conformance suite: the engines of this repository pass it, and each check finds the fault it is for."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tasks.engines.capabilities import COMMON, Capabilities
from tasks.engines.conformance import checks
from tasks.engines.conformance.bench import Bench, Fault
from tasks.engines.conformance.wrong import VALUES
from tasks.engines.engine import Audio, Song
from tasks.jobs import JobRequest
from tests.unit.tasks.engines.acestep.tiny_checkpoint import save

RATE, STEPS = 8_000, 4
CAN = Capabilities(
    tasks=frozenset({"text2music"}),
    fields=frozenset({"bpm", "steps"}),
    ranges={"bpm": (60, 200)},
    sample_rate=RATE,
    longest=30.0,
)


@dataclass
class Humming:
    song: Song
    noise: np.ndarray
    taken: int = 0
    company: int = 0

    @property
    def done(self) -> bool:
        return self.taken >= STEPS

    @property
    def progress(self) -> float:
        return self.taken / STEPS


class Hum:
    """Noise of the seed: an engine without a fault."""

    name, version, places, capabilities = "hum", "1", 3, CAN
    check = True

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.table: np.ndarray | None = None

    def load(self) -> None:
        self.table = np.ones(1 << 20, np.float32)

    def unload(self) -> None:
        self.table = None

    def fits(self, states: Sequence[Humming], song: Song) -> bool:
        return len(states) < self.places

    def draw(self, song: Song) -> np.ndarray:
        words = hashlib.sha256(song.request.prompt.encode()).digest()
        made = np.random.default_rng([song.seed, words[0]])
        return made.uniform(-0.5, 0.5, (2, round(song.request.duration * RATE))).astype(np.float32)

    def admit(self, song: Song) -> Humming:
        if self.check:
            CAN.check(song.request)
        return Humming(song, self.draw(song))

    def step(self, states: Sequence[Humming]) -> None:
        for state in states:
            state.taken += 1
            state.company = max(state.company, len(states))

    def decode(self, state: Humming) -> Audio:
        return Audio(samples=state.noise, sample_rate=RATE)


class OtherRate(Hum):
    def decode(self, state: Humming) -> Audio:
        return Audio(samples=state.noise, sample_rate=2 * RATE)


class Drawn(Hum):
    def draw(self, song: Song) -> np.ndarray:
        return super().draw(song) * np.float32(random.random())


class Deaf(Hum):
    """Every seed sounds the same."""

    def draw(self, song: Song) -> np.ndarray:
        words = hashlib.sha256(song.request.prompt.encode()).digest()
        return np.random.default_rng(words[0]).uniform(-0.5, 0.5, (2, round(song.request.duration * RATE)))


@dataclass
class Mute(Humming):
    @property
    def progress(self) -> float:
        return float(self.done)


class Silent(Hum):
    def admit(self, song: Song) -> Humming:
        return Mute(song, super().admit(song).noise)


class Leap(Hum):
    """Three quarters in one step."""

    def step(self, states: Sequence[Humming]) -> None:
        for state in states:
            state.taken += 3 if state.taken == 0 else 1


class Faithful(Hum):
    """Goes on with songs that were left out."""

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.known: list[Humming] = []

    def admit(self, song: Song) -> Humming:
        self.known.append(state := super().admit(song))
        return state

    def step(self, states: Sequence[Humming]) -> None:
        super().step(self.known)


@dataclass
class Album(Hum):
    scratch: Path
    table: np.ndarray | None = None
    songs: list[np.ndarray] = field(default_factory=list)

    def decode(self, state: Humming) -> Audio:
        self.songs.append(state.noise)
        return super().decode(state)


class Hoard(Hum):
    """Does not unload."""

    def unload(self) -> None: ...


class Crowd(Hum):
    def decode(self, state: Humming) -> Audio:
        return Audio(samples=state.noise / np.float32(state.company), sample_rate=RATE)


class Meek(Hum):
    check = False


class Diary(Hum):
    def step(self, states: Sequence[Humming]) -> None:
        super().step(states)
        (self.scratch / "diary").write_text("another step")


class Reader(Hum):
    def step(self, states: Sequence[Humming]) -> None:
        super().step(states)
        Path("pyproject.toml").read_bytes()


class Caller(Hum):
    def load(self) -> None:
        super().load()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.connect(("127.0.0.1", 9))


FAULTS: list[tuple[Callable[[Bench], None], type[Hum], str]] = [
    (checks.states_what_it_can, OtherRate, "frames a second"),
    (checks.repeats_itself, Drawn, "gave two songs"),
    (checks.repeats_itself, Deaf, "another seed"),
    (checks.tells_its_progress, Silent, "once, at the end"),
    (checks.stops_within_a_step, Leap, "a cancel would wait"),
    (checks.stops_within_a_step, Faithful, "went on"),
    (checks.gives_memory_back, Album, "keep none of them"),
    (checks.gives_memory_back, Hoard, "let go of the model"),
    (checks.makes_the_same_in_company, Crowd, "beside others differs"),
    (checks.refuses_what_it_cannot, Meek, "taken without a word"),
    (checks.keeps_to_itself, Diary, "writes files"),
    (checks.keeps_to_itself, Reader, "reads files"),
    (checks.keeps_to_itself, Caller, "reaches hosts"),
]


def bench(kind: type[Hum], scratch: Path) -> Bench:
    return Bench(make=lambda: kind(scratch), capabilities=CAN)


@pytest.mark.parametrize(("check", "kind", "words"), FAULTS, ids=lambda of: getattr(of, "__name__", None))
def test_a_broken_engine_fails_the_check_that_is_for_it(check, kind, words, tmp_path) -> None:
    with pytest.raises(Fault, match=words):
        check(bench(kind, tmp_path))


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_an_engine_without_a_fault_passes(check, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Bench, "tolerance", 0.0)
    check(bench(Hum, tmp_path))


def test_every_check_has_an_engine_that_fails_it() -> None:
    assert {check for check, _, _ in FAULTS} == set(checks.CHECKS)


def test_a_value_of_every_field_is_tried() -> None:
    """Those that only some tasks have are refused with their task, those of another field with it."""
    of_tasks = {"source_audio", "track", "audio_cover_strength", "cover_noise_strength", "chunk_mask_mode"}
    of_tasks |= {name for name in JobRequest.model_fields if name.startswith("repaint_")}
    of_another = {"dcw_scaler", "dcw_high_scaler", "retake_seed", "loras"}
    assert frozenset(VALUES) == frozenset(JobRequest.model_fields) - COMMON - of_tasks - of_another


@pytest.mark.parametrize("name", ["sketch", "acestep"])
def test_an_engine_of_this_repository_passes(name, tmp_path) -> None:
    assert_passes(name, tmp_path, model=save(tmp_path / "model", turbo=True) if name == "acestep" else None)


def assert_passes(name: str, data: Path, model: Path | None = None) -> None:
    """As an author runs it: a process of its own, by the command of the guide."""
    environment = os.environ | {"TUTTI_DATA": str(data), "OMP_NUM_THREADS": "1"}
    if model is not None:
        environment["TUTTI_MODEL"] = str(model)
    command = [
        sys.executable,
        "-m",
        "tasks.engines.conformance",
        "--engine",
        name,
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-4_000:] + ended.stderr[-2_000:]
    assert f"{len(checks.CHECKS)} passed" in ended.stdout
