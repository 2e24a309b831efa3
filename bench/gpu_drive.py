"""What a scheduler does with the engine, without a queue: keep it full, go in lockstep, wait for arrivals."""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from tasks.engines.acestep import AceStepEngine
from tasks.engines.acestep.denoising.state import SongState
from tasks.engines.engine import Audio, Song
from tasks.jobs import JobRequest

PROMPT = "A bright piano melody with soft strings, gentle and warm"
LYRICS = "[verse]\n" + "Soft notes in the morning light\n" * 8 + "[chorus]\n" + "Music fills the air\n" * 6
SHORT_LYRICS = "[verse]\nSoft notes in the morning light\n[chorus]\nMusic fills the air tonight"

MIX = (10, 240, 30, 60, 15, 120, 45, 90, 20, 180, 60, 30, 10, 75, 150, 40, 60, 25)  # seconds of a varied day

JOINING = 8  # steps of a song: when as many join each step, as many leave

Driver = Callable[[AceStepEngine, Iterator[Song], int], Iterator[SongState]]


def words(seconds: float) -> str:
    return LYRICS if seconds >= 30 else SHORT_LYRICS


def song(seconds: float, seed: int, **fields: Any) -> Song:
    request = JobRequest(prompt=f"{PROMPT}, take {seed}", lyrics=words(seconds), duration=seconds, **fields)
    return Song(job_id=f"song-{seed}", variation=1, seed=seed, request=request)


def alone(engine: AceStepEngine, one: Song) -> tuple[float, Audio]:
    """Seconds from the request to the sound in host memory, on an idle engine."""
    start = time.perf_counter()
    state = engine.admit(one)
    while not state.done:
        engine.step([state])
    audio = engine.decode(state)
    return time.perf_counter() - start, audio


def continuous(engine: AceStepEngine, songs: Iterator[Song], places: int) -> Iterator[SongState]:
    """Keep `places` songs on their way, an eighth of them new each step; yields each as it is finished."""
    on_the_way: list[SongState] = []
    waiting = next(songs, None)
    while waiting or on_the_way:
        denoising = sum(state.audio is None for state in on_the_way)
        room = min(places, denoising + max(1, places // JOINING))
        while waiting and denoising < room and engine.fits(on_the_way, waiting):
            on_the_way.append(engine.admit(waiting))
            denoising += 1
            waiting = next(songs, None)
        engine.step(on_the_way)
        for state in [state for state in on_the_way if state.done]:
            engine.decode(state)
            on_the_way.remove(state)
            yield state


def lockstep(engine: AceStepEngine, songs: Iterator[Song], places: int) -> Iterator[SongState]:
    """Fill the places, denoise all to their end, fill again while the last are decoded."""
    finishing: list[SongState] = []
    while batch := [one for _, one in zip(range(places), songs, strict=False)]:
        states = [engine.admit(one) for one in batch]
        while any(state.audio is None for state in states):
            engine.step(states)
        for state in finishing:
            engine.decode(state)
        yield from finishing
        finishing = states
    for state in finishing:
        engine.decode(state)
    yield from finishing


def arriving(
    engine: AceStepEngine, lengths: list[int], per_second: float, order: random.Random
) -> list[tuple[int, float]]:
    """Jobs arrive by chance whether or not the engine keeps up: (length, seconds from arrival to sound)."""
    at, queue = 0.0, deque[tuple[float, int, Song]]()
    for n, seconds in enumerate(lengths):
        at += order.expovariate(per_second)
        queue.append((at, seconds, song(seconds, 5_000 + n)))
    on_the_way: dict[SongState, tuple[float, int]] = {}
    found = []
    start = time.perf_counter()
    while queue or on_the_way:
        now = time.perf_counter() - start
        while queue and queue[0][0] <= now and engine.fits(list(on_the_way), queue[0][2]):
            arrived, seconds, one = queue.popleft()
            on_the_way[engine.admit(one)] = arrived, seconds
        if not on_the_way:
            time.sleep(max(0.0, queue[0][0] - now))
            continue
        engine.step(list(on_the_way))
        for state in [state for state in on_the_way if state.done]:
            engine.decode(state)
            arrived, seconds = on_the_way.pop(state)
            found.append((seconds, time.perf_counter() - start - arrived))
    return found


class Busy:
    """Share of the time in which the GPU ran something, its power, heat and memory, by nvidia-smi."""

    _process: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None

    def __enter__(self) -> Busy:
        self._lines: list[list[float]] = []
        if shutil.which("nvidia-smi") is None:
            return self
        query = "--query-gpu=utilization.gpu,power.draw,temperature.gpu,memory.used"
        command = ["nvidia-smi", query, "--format=csv,noheader,nounits", "-lms", "100"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def _read(self) -> None:
        for line in (self._process and self._process.stdout) or []:
            self._lines.append([float(part) for part in line.split(",")])

    def __exit__(self, *_: object) -> None:
        if self._reader is None or self._process is None:
            return
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    def __str__(self) -> str:
        inner = self._lines[2:-1]
        if len(inner) < 3:
            return "busy unknown"
        share, power, heat, memory = (statistics.mean(column) for column in zip(*inner, strict=True))
        return f"busy {share:.1f} %, {power:.0f} W, {heat:.0f} C, {memory / 1024:.1f} GiB used"


def rate(
    engine: AceStepEngine, driver: Driver, seconds: float, places: int, count: int
) -> tuple[float, Busy]:
    """Songs a second, once running."""
    for _ in driver(engine, (song(seconds, n) for n in range(2 * places)), places):
        pass
    with Busy() as busy:
        start = time.perf_counter()
        for _ in driver(engine, (song(seconds, 1_000 + n) for n in range(count)), places):
            pass
        taken = time.perf_counter() - start
    return count / taken, busy
