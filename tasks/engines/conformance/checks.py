"""The checks. Each takes an engine under test and raises `Fault` where it does not hold."""

from __future__ import annotations

import gc
import itertools
import random
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Final

import numpy as np

from tasks.engines.capabilities import COMMON
from tasks.engines.conformance.bench import PROMPTS, STEPS_MOST, Bench, Fault, apart, loudness, run
from tasks.engines.conformance.watch import held, watching
from tasks.engines.conformance.wrong import wrong
from tasks.engines.engine import Audio, Engine, Song, State
from tasks.jobs import SECONDS_MIN, ErrorClass, JobError, JobRequest

LATEST: Final = 10.0  # seconds until a dropped song's thread has to be gone
COARSEST: Final = 0.51  # share of a song that one step may take: a cancel waits for the step it meets
SPARE: Final = 1 << 20  # bytes that may stay: tables that are made once
KEPT_AT_ONCE: Final = len(PROMPTS)  # a round has every prompt once, so that the next is the same music
SHORTER: Final = 0.2  # seconds by which a song may miss its length


def states_what_it_can(bench: Bench) -> None:
    """Capabilities name fields and tasks that exist, and the sound is what they say."""
    can, engine = bench.capabilities, bench.loaded()
    unknown = can.fields - frozenset(JobRequest.model_fields)
    _need(not unknown, f"capabilities name fields that no request has: {sorted(unknown)}")
    _need(set(can.ranges) <= can.fields | COMMON, "a field with a range has to stand in `fields` too")
    _need("text2music" in can.tasks, "`text2music` has to be among the tasks")
    _need(can.longest >= SECONDS_MIN, f"`longest` is below the shortest song, {SECONDS_MIN:g} s")
    _need(bool(engine.name) and bool(engine.version), "`name` and `version` are part of the queue's name")
    _need("@" not in engine.name, "`name` may have no @: the queue is <name>@<version>")
    _sounds(run(engine, [bench.song()])[0], bench)
    engine.unload()


def _sounds(audio: Audio, bench: Bench) -> None:
    samples, can = audio.samples, bench.capabilities
    _need(samples.ndim == 2 and samples.shape[0] in {1, 2}, f"samples are [1 or 2, frames]: {samples.shape}")
    _need(samples.dtype in {np.dtype(np.float32), np.dtype(np.int16)}, "samples are float32 or int16")
    rate, stated = audio.sample_rate, can.sample_rate
    _need(rate == stated, f"the sound has {rate} frames a second, not the {stated} stated")
    seconds = samples.shape[1] / audio.sample_rate
    _need(abs(seconds - SECONDS_MIN) <= SHORTER, f"{SECONDS_MIN:g} s were asked for and {seconds:.2f} made")
    loud = np.abs(loudness(samples)).max()
    _need(bool(np.isfinite(loud)) and 0 < loud <= 1.0, f"the loudest sample is {loud:g}, not in 0..1")


def repeats_itself(bench: Bench) -> None:
    """The same request and seed give the same bits, whatever was made before; another seed others."""
    engine = bench.loaded()
    first = run(engine, [bench.song()])[0]
    run(engine, [bench.song(1, seed=8)])
    random.seed(8)
    np.random.seed(8)
    second = run(engine, [bench.song()])[0]
    _need(apart(first, second) == 0.0, "the same seed gave two songs: draw from the song's own")
    engine.unload()
    fresh = bench.loaded()
    again = run(fresh, [bench.song()])[0]
    _need(apart(first, again) == 0.0, "a fresh engine made another song of the same request and seed")
    other = run(fresh, [bench.song(seed=9)])[0]
    _need(apart(first, other) > 0.0, "another seed gave the same song")
    fresh.unload()


def tells_its_progress(bench: Bench) -> None:
    """Progress begins at 0, never falls, moves in steps, and is 1 when the song is done."""
    engine = bench.loaded()
    state = engine.admit(bench.song())
    _need(state.progress == 0.0 and not state.done, "a song that is admitted has made no progress yet")
    shares = _shares(engine, state)
    _need(shares == sorted(shares), "`progress` fell")
    _need(shares[-1] == 1.0, f"a song that is done has `progress` 1, not {shares[-1]:g}")
    _need(len(set(shares)) > 2, "`progress` is told once, at the end: people see it stand still")
    engine.decode(state)
    engine.unload()


def _shares(engine: Engine, state: State) -> list[float]:
    shares = [state.progress]
    for _ in range(STEPS_MOST):
        if state.done:
            return shares
        engine.step([state])
        shares.append(state.progress)
    raise Fault(f"`step` was called {STEPS_MOST} times and the song is still not `done`")


def stops_within_a_step(bench: Bench) -> None:
    """A song that is left out of `step` stands still, is forgotten, and its threads end."""
    engine = bench.loaded()
    shares = _shares(engine, state := engine.admit(bench.song()))
    engine.decode(state)
    widest = max(later - earlier for earlier, later in itertools.pairwise(shares))
    _need(widest <= COARSEST, f"one step makes {widest:.0%} of a song: a cancel would wait for all of it")
    _forgets(engine, bench)
    engine.unload()


def _forgets(engine: Engine, bench: Bench) -> None:
    before = {thread for thread in threading.enumerate() if thread.is_alive()}
    state = engine.admit(bench.song(seed=3))
    engine.step([state])
    left, there = weakref.ref(state), state.progress
    engine.step([])
    _need(state.progress == there, "a song that was left out of `step` went on")
    del state
    ends = time.monotonic() + LATEST
    while left() is not None or _more(before, "song-"):
        gc.collect()
        _need(
            time.monotonic() < ends,
            "a cancelled song is held, or its thread runs: let go of it",
        )
        time.sleep(0.01)


def _more(before: set[threading.Thread], name: str) -> bool:
    return any(thread.name.startswith(name) for thread in set(threading.enumerate()) - before)


def gives_memory_back(bench: Bench) -> None:
    """Songs leave nothing behind, neither finished nor cancelled; `unload` nothing of the model."""
    warm = bench.loaded()
    _some_songs(warm, bench, first=0)  # what modules keep for good, such as tables, is there now
    warm.unload()
    del warm
    began = not tracemalloc.is_tracing()
    if began:
        tracemalloc.start()
    try:
        _watched(bench)
    finally:
        if began:
            tracemalloc.stop()


def _watched(bench: Bench) -> None:
    empty = held()
    engine = bench.loaded()
    song = run(engine, [bench.song()])[0].samples.nbytes
    _some_songs(engine, bench, first=0)  # what the model keeps for them, such as instruments, may stay
    before = held()
    _some_songs(engine, bench, first=KEPT_AT_ONCE)
    grown = _settled(before, song)
    _need(
        grown < song,
        f"songs, and a cancelled one, left {grown:,} bytes behind: keep none of them",
    )
    engine.unload()
    left = _settled(empty, SPARE)
    _need(left < SPARE, f"`unload` left {left:,} bytes: let go of the model while the engine itself lives")


def _settled(before: int, allowed: int) -> int:
    """Bytes held beyond `before`; a cancelled song's thread may take a moment to end and let go."""
    ends = time.monotonic() + LATEST
    while (more := held() - before) >= allowed and time.monotonic() < ends:
        time.sleep(0.1)
    return more


def _some_songs(engine: Engine, bench: Bench, *, first: int) -> None:
    """The same music each time, by jobs of other names; and one that is cancelled."""
    for number in range(KEPT_AT_ONCE):
        run(engine, [bench.song(first + number)])
    state = engine.admit(bench.song(first))
    engine.step([state])
    del state
    engine.step([])


def makes_the_same_in_company(bench: Bench) -> None:
    """A song is the same alone and beside others, whichever begin before it or are cancelled beside it."""
    engine = bench.loaded()
    songs = [bench.song(number, seed=40 + number, duration=SECONDS_MIN + number) for number in range(3)]
    songs = [song for song in songs if song.request.duration <= bench.capabilities.longest]
    alone = [run(engine, [song])[0] for song in songs]
    for number, audio in _joining(engine, songs).items():
        far = apart(audio, alone[number])
        _need(
            far <= bench.tolerance,
            f"a song beside others differs by {far:g} of full scale from it alone",
        )
    engine.unload()


def _joining(engine: Engine, songs: list[Song]) -> dict[int, Audio]:
    """Songs that join one a step, with a stranger that leaves after two; those made, by number."""
    going: dict[int, State] = {}
    made: dict[int, Audio] = {}
    waiting = [*range(len(songs))]
    for turn in range(STEPS_MOST):
        if waiting and engine.fits(list(going.values()), songs[waiting[0]]):
            joins = waiting.pop(0)
            going[joins] = engine.admit(songs[joins])
        if turn == 2 and len(going) > 1:
            waiting.append(leaver := max(going))
            del going[leaver]  # cancelled; it comes again from the start
        engine.step(list(going.values()))
        for number in [number for number, state in going.items() if state.done]:
            made[number] = engine.decode(going.pop(number))
        if not (going or waiting):
            return made
    raise Fault("songs that joined one another did not come to an end")


def refuses_what_it_cannot(bench: Bench) -> None:
    """What the capabilities refuse is refused by name, before a step is spent on it, and harms nobody."""
    engine = bench.loaded()
    for words, fields in wrong(bench):
        song = bench.song(**fields)
        _need(any(bench.capabilities.refusals(song.request)), f"the capabilities let {words} pass")
        try:
            engine.admit(song)
        except JobError as error:
            _need(error.error_class is ErrorClass.INVALID_REQUEST, f"{words} ends as {error.error_class}")
        except Exception as error:
            raise Fault(f"{words} ends as {type(error).__name__}, not as a JobError") from error
        else:
            raise Fault(f"{words} is taken without a word: `admit` has to refuse it (Capabilities.check)")
    run(engine, [bench.song()])
    engine.unload()


def keeps_to_itself(bench: Bench) -> None:
    """It reaches no host and writes no file but those stated, and reads none once it is loaded."""
    can = bench.capabilities
    engine = bench.make()
    with watching() as loading:
        engine.load()
    run(engine, [bench.song()])  # modules that are imported at the first song
    with watching() as making:
        run(engine, [bench.song(seed=50)])
        engine.unload()
    reached = loading.reached | making.reached
    _need(can.network or not reached, f"it reaches hosts and does not state `network`: {_some(reached)}")
    written = {path for path in loading.written | making.written if not _below(path, can.writes)}
    _need(not written, f"it writes files that it does not state in `writes`: {_some(written)}")
    read = {path for path in making.read if not _below(path, (*can.reads, *can.writes))}
    _need(not read, f"it reads files while it makes songs that it does not state in `reads`: {_some(read)}")
    _need(not making.started, f"it starts processes while it makes songs: {_some(making.started)}")


def _below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:5])


def _need(held_: bool, words: str) -> None:
    if not held_:
        raise Fault(words)


CHECKS: Final[tuple[Callable[[Bench], None], ...]] = (
    states_what_it_can,
    repeats_itself,
    tells_its_progress,
    stops_within_a_step,
    gives_memory_back,
    makes_the_same_in_company,
    refuses_what_it_cannot,
    keeps_to_itself,
)
