"""ACE-Step 1.5 as an engine: many songs at once, each as if it were alone.

`step` does not wait for the device: it hands over one step's work and returns while the step before is still
running, so the device always has work. A song's decoding is asked for as soon as its last denoising step is;
the song is done once its sound has reached the host.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self

import torch
from torch import Tensor

from tasks.engines.acestep.adapters import lora
from tasks.engines.acestep.adapters.merged import Adapters
from tasks.engines.acestep.build import Built, Weights, build
from tasks.engines.acestep.checkpoint.model import Model, load
from tasks.engines.acestep.conditioning.conditioner import Words, tokenise
from tasks.engines.acestep.denoising.guidance import Guidance
from tasks.engines.acestep.denoising.out_of_memory import split_on_out_of_memory
from tasks.engines.acestep.denoising.pack import tokens_of
from tasks.engines.acestep.denoising.state import SongState, mark, seconds
from tasks.engines.acestep.denoising.step_policy import due
from tasks.engines.acestep.options import Options
from tasks.engines.acestep.plan.plan import Plan, make_plan
from tasks.engines.acestep.start import log_start, use_cache
from tasks.engines.engine import Audio, EngineOutOfMemory, Song
from tasks.jobs import JobError, JobRequest
from tasks.settings import Settings

AHEAD = 1
"""Steps that may wait on the device while the next is prepared; more would delay songs that join."""

WARM_UP_SECONDS = (10.0, 60.0)

PLANNED = 32  # plans kept between `fits` and `admit`

DRAWERS = 4
"""Threads that draw noise: a minute's takes 3 ms, since diffusers' numbers come one by one."""


class AceStepEngine:
    """Implements `tasks.engines.engine.Engine`; see `packing` for why songs cannot hear each other."""

    name = "acestep"
    version = "1.5"

    def __init__(self, options: Options, *, read: Callable[[Options], Model] = load) -> None:
        self.options = options
        self._read = read
        self._built: Built | None = None
        self._members: list[SongState] = []
        self._adapters: Adapters | None = None
        self._drawers = ThreadPoolExecutor(DRAWERS, "noise")
        self._planned: OrderedDict[tuple[str, int], tuple[Plan, Words]] = OrderedDict()
        self._running: deque[torch.cuda.Event] = deque()

    @classmethod
    def of(cls, chosen: Settings) -> Self:
        """The engine that the settings describe."""
        return cls(Options.of(chosen))

    @property
    def built(self) -> Built:
        """What is on the device; loads it if nothing is."""
        if self._built is None:
            self.load()
        if self._built is None:
            raise RuntimeError("the model did not load")
        return self._built

    def load(self) -> None:
        """Load the model and prepare its kernels; a second call does nothing."""
        if self._built is not None:
            return
        start = time.perf_counter()
        warm = use_cache(self.options.compiled_code)
        model = self._read(self.options)
        loaded = time.perf_counter()
        self._built = build(model, self.options)
        self._adapters = Adapters(self._built, self.options)
        self.warm_up()
        log_start(self._built, warm=warm, read=loaded - start, prepare=time.perf_counter() - loaded)

    def warm_up(self) -> None:
        """Compile and record what a first song would otherwise wait for: a short song and one of a minute."""
        if self.built.model.device.type != "cuda":
            return
        for length in WARM_UP_SECONDS:
            request = JobRequest(prompt="A bar of rest", duration=length, steps=2)
            state = self.admit(Song(job_id="warm-up", variation=1, seed=0, request=request))
            while not state.done:
                self.step([state])
        self.step([])

    def unload(self) -> None:
        """Free the device. Songs on their way are lost."""
        self._built = None
        self._members.clear()
        self._adapters = None
        self._planned.clear()
        self._running.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    # --- who may join

    def fits(self, states: Sequence[SongState], song: Song) -> bool:
        """Whether this song can join without running out of what was measured at load."""
        try:
            plan, words = self._plan(song)
        except JobError:
            return True  # `admit` says what is wrong with it
        built, patch = self.built, self.built.weights.dit.patch
        waiting = [state for state in states if state.audio is None]
        tokens = plan.passes * math.ceil(plan.latents / patch)
        tokens += sum(tokens_of(state, patch) for state in waiting)
        pledged = sum(built.pool.blocks(state.words.rows) for state in waiting if state.key_start is None)
        return (
            len(waiting) < self.options.places
            and (tokens <= built.capacity.tokens or not waiting)
            and pledged + built.pool.blocks(words.rows) <= built.pool.room()
        )

    def admit(self, song: Song) -> SongState:
        """Prepare a song; nothing of it is on the device before its first step.

        Raises:
            JobError: An upload, an adapter or the task cannot be used.
            EngineOutOfMemory: It is too long for this device even alone.

        """
        plan, words = self._plan(song)
        self._planned.pop((song.job_id, song.variation), None)
        built = self.built
        if plan.passes * math.ceil(plan.latents / built.weights.dit.patch) > built.capacity.longest:
            raise EngineOutOfMemory(
                f"{plan.frames / built.model.sample_rate:.0f} s are too long for this device"
            )
        if plan.lora is not None:
            lora.find(self.options.loras, plan.lora)
        guidance = None if plan.guidance is None else Guidance(plan.guidance)
        return SongState(song, plan, words, self._noise(plan), guidance)

    def _plan(self, song: Song) -> tuple[Plan, Words]:
        key = (song.job_id, song.variation)
        if key not in self._planned:
            plan = make_plan(song, self.built.model, self.options)
            self._planned[key] = plan, tokenise(plan, self.built.model.pipe.tokenizer)
            if len(self._planned) > PLANNED:
                self._planned.popitem(last=False)
        return self._planned[key]

    def _noise(self, plan: Plan) -> Callable[[], Tensor]:
        """What the song starts from; drawn on the CPU, so that every device starts from the same."""
        dit = self.built.weights.dit

        def draw() -> Tensor:
            generator = torch.Generator("cpu").manual_seed(plan.seed)
            size, pinned = (1, plan.latents, dit.channels), dit.device.type == "cuda"
            return torch.randn(size, generator=generator, dtype=dit.dtype, pin_memory=pinned)[0]

        drawn = self._drawers.submit(draw)
        return lambda: drawn.result().to(dit.device, non_blocking=True)

    # --- taking steps

    @torch.inference_mode()
    def step(self, states: Sequence[SongState]) -> None:
        """Advance songs by one step, as the step policy lets them; those not named lose their place.

        Raises:
            EngineOutOfMemory: A song does not fit even alone; its `song` says which.

        """
        self._let_go([state for state in self._members if state not in states])
        self._members = list(states)
        self._hold_back()
        running = [state for state in states if state.audio is None]
        going = [state for state in running if not state.denoised]
        split_on_out_of_memory([state for state in going if state.key_start is None], self._condition)
        stepping = due(going, self.built.weights.dit.patch, time.monotonic())
        for name, group in _by_adapter(stepping).items():
            weights = self._weights(name)
            for part in self._parts(group):
                split_on_out_of_memory(
                    part, partial(self.built.pack.step, dit=weights.dit, spare=weights.spare)
                )
        split_on_out_of_memory([state for state in running if state.denoised], self._decode)
        if running:
            self._remember_step()
        elif waiting := [state for state in states if not state.done]:
            waiting[0].wait()

    def _let_go(self, states: Sequence[SongState]) -> None:
        for state in states:
            self.built.pack.leave(state)
            if state.key_start is not None:
                self.built.pool.give(state.key_start)
                state.key_start = None

    def _hold_back(self) -> None:
        """Wait until the device is no more than `AHEAD` steps behind."""
        while len(self._running) > AHEAD:
            self._running.popleft().synchronize()

    def _remember_step(self) -> None:
        if self.built.model.device.type == "cuda":
            event = torch.cuda.Event(blocking=True)
            event.record()
            self._running.append(event)

    def _condition(self, states: Sequence[SongState]) -> None:
        """Encode the songs that are new, all in one go, and put their keys into the pool."""
        built = self.built
        new = [state for state in states if state.key_start is None]
        for state in new:
            state.marks["start"] = mark(built.model.device)
        conditions = built.conditioner.encode([s.plan for s in new], [s.words for s in new])
        for state, condition in zip(new, conditions, strict=True):
            if state.context is None:
                state.context = built.conditioner.context(state.plan)
            state.key_start = self._write_keys(state, condition)
            state.marks["conditioned"] = mark(built.model.device)

    def _write_keys(self, state: SongState, condition: Tensor) -> int:
        pool = self.built.pool
        start = pool.take(condition.shape[0])
        if start is None:
            raise EngineOutOfMemory("too many songs at once for this device's key pool", song=state.song)
        try:
            self._weights(state.plan.lora).dit.write_keys(condition, pool, start)
        except torch.OutOfMemoryError:
            pool.give(start)
            raise
        return start

    def _parts(self, states: Sequence[SongState]) -> list[list[SongState]]:
        """Split songs into packs that fit; one pack, unless more was asked for than `fits` allows."""
        parts: list[list[SongState]] = [[]]
        tokens, documents = 0, 0
        patch = self.built.weights.dit.patch
        for state in states:
            tokens += tokens_of(state, patch)
            documents += state.plan.passes
            if parts[-1] and (tokens > self.built.capacity.tokens or documents > self.built.pack.places):
                parts.append([])
                tokens, documents = tokens_of(state, patch), state.plan.passes
            parts[-1].append(state)
        return [part for part in parts if part]

    def _weights(self, name: str | None) -> Weights:
        """The weights that a song wants; those that others still use stay."""
        if self._adapters is None:
            raise RuntimeError("the model is not loaded")
        used = {state.plan.lora for state in self._members if state.audio is None}
        return self._adapters.weights(name, used)

    # --- the end

    def _decode(self, states: Sequence[SongState]) -> None:
        built = self.built
        waiting = [state for state in states if state.audio is None]
        for state in waiting:
            state.marks["denoised"] = mark(built.model.device)
        self._let_go(waiting)
        for number, wave in built.decoder([state.latents for state in waiting]):
            state = waiting[number]
            state.audio = built.finisher(wave, state.plan.frames)
            state.marks["decoded"] = mark(built.model.device)

    def decode(self, state: SongState) -> Audio:
        """The finished song.

        Raises:
            ValueError: Not every step is taken.

        """
        if state.audio is None:
            raise ValueError("this song is not finished; take its remaining steps first")
        samples = state.audio.samples()
        stages = (("condition", "start", "conditioned"), ("denoise", "conditioned", "denoised"))
        timings = {name: seconds(state.marks[a], state.marks[b]) for name, a, b in stages}
        timings["decode"] = seconds(state.marks["denoised"], state.marks["decoded"])
        return Audio(samples=samples, sample_rate=self.built.model.sample_rate, timings=timings)


def _by_adapter(states: Sequence[SongState]) -> dict[str | None, list[SongState]]:
    """Songs that share their weights, which share a pack."""
    groups: dict[str | None, list[SongState]] = {}
    for state in states:
        groups.setdefault(state.plan.lora, []).append(state)
    return groups
