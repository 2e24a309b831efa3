"""ACE-Step 1.5 as an engine: many songs at once, each as if it were alone.

`step` does not wait for the device: it hands over one step's work and returns while the step before is still
running, so the device always has work. A song's decoding is asked for as soon as its last denoising step is;
the song is done once its sound has reached the host.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

import torch
from torch import Tensor

from tasks.engines.acestep.adapters.merged import AdaptedWeights, Chosen
from tasks.engines.acestep.checkpoint.model import DeviceModel, load
from tasks.engines.acestep.checkpoint.options import Options
from tasks.engines.acestep.decoding.decoder import Pending
from tasks.engines.acestep.denoising.out_of_memory import split_on_out_of_memory
from tasks.engines.acestep.denoising.pack import tokens_of
from tasks.engines.acestep.denoising.sampler import ramps
from tasks.engines.acestep.denoising.state import SongState, mark, seconds
from tasks.engines.acestep.denoising.step_policy import due
from tasks.engines.acestep.fitting import Fitting
from tasks.engines.acestep.network.build import Built, TransformerWeights, build
from tasks.engines.acestep.start import log_start, use_cache
from tasks.engines.engine import Audio, EngineOutOfMemory, Song
from tasks.jobs import JobRequest
from tasks.settings import Settings

AHEAD = 1
"""Steps that may wait on the device while the next is prepared; more would delay songs that join."""

WARM_UP_SECONDS = (10.0, 60.0)


class AceStepEngine:
    """Implements `tasks.engines.engine.Engine`; see `packing` for why songs cannot hear each other."""

    name = "acestep"
    version = "1.5"

    def __init__(self, options: Options, *, read: Callable[[Options], DeviceModel] = load) -> None:
        self.options = options
        self._read = read
        self._built: Built | None = None
        self._members: list[SongState] = []
        self._adapters: AdaptedWeights | None = None
        self._admits: Fitting | None = None
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
        self._adapters = AdaptedWeights(self._built, self.options)
        self._admits = Fitting(self._built, self.options, self._adapters)
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
        self._admits = None
        self._running.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    # --- who may join

    @property
    def _fitting(self) -> Fitting:
        if self._admits is None:
            self.load()
        if self._admits is None:
            raise RuntimeError("the model did not load")
        return self._admits

    def fits(self, states: Sequence[SongState], song: Song) -> bool:
        """Whether this song can join without running out of what was measured at load."""
        return self._fitting.fits(states, song)

    def admit(self, song: Song) -> SongState:
        """Prepare a song; nothing of it is on the device before its first step.

        Raises:
            JobError: An upload, an adapter or the task cannot be used.
            EngineOutOfMemory: It is too long for this device even alone.
        """
        return self._fitting.admit(song)

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
        self._turn_aside(going)
        stepping = due(going, self.built.weights.dit.patch, time.monotonic())
        for chosen, group in _by_adapter(stepping).items():
            weights = self._weights(chosen)
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
            if state.aside is not None and state.aside.key_start is not None:
                self.built.pool.give(state.aside.key_start)
                state.aside.key_start = None

    def _turn_aside(self, states: Sequence[SongState]) -> None:
        """Let covers that have followed their source long enough go on with the words alone."""
        for state in states:
            if (left := state.turn_aside()) is not None:
                self.built.pool.give(left)
                self.built.pack.refresh()

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
        asides = [state for state in new if state.aside is not None]
        for state in new:
            state.marks["start"] = mark(built.model.device)
        words = [s.words for s in new] + [s.aside.words for s in asides if s.aside is not None]
        conditions = built.conditioner.encode([s.plan for s in [*new, *asides]], words)
        for state, condition in zip(new, conditions, strict=False):
            if state.context is None:
                state.sampler.clean = built.conditioner.clean(state.plan)
                state.context = built.conditioner.context(state.plan, state.sampler.clean)
            state.key_start = self._write_keys(state, condition)
            state.marks["conditioned"] = mark(built.model.device)
        for state, condition in zip(asides, conditions[len(new) :], strict=True):
            self._prepare_aside(state, condition)

    def _prepare_aside(self, state: SongState, condition: Tensor) -> None:
        """Keep what a song hears after its source; one that is there already, and came back, reads it now."""
        aside, pool = state.aside, self.built.pool
        if aside is None:
            return
        start = self._write_keys(state, condition)
        if aside.followed:
            if state.key_start is not None:
                pool.give(state.key_start)
            state.key_start = start
            return
        aside.key_start, aside.context = start, self.built.conditioner.context_aside(state.plan)

    def _write_keys(self, state: SongState, condition: Tensor) -> int:
        pool = self.built.pool
        start = pool.take(condition.shape[0])
        if start is None:
            raise EngineOutOfMemory("too many songs at once for this device's key pool", song=state.song)
        try:
            self._weights(state.plan.adapters).dit.write_keys(condition, pool, start)
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

    def _weights(self, chosen: Chosen) -> TransformerWeights:
        """The weights that a song wants; those that others still use stay."""
        if self._adapters is None:
            raise RuntimeError("the model is not loaded")
        used = {state.plan.adapters for state in self._members if state.audio is None}
        return self._adapters.weights(chosen, used)

    # --- the end

    def _decode(self, states: Sequence[SongState]) -> None:
        built = self.built
        waiting = [state for state in states if state.audio is None]
        for state in waiting:
            state.marks["denoised"] = mark(built.model.device)
        self._let_go(waiting)
        for number, wave in built.decoder([state.sampler.finish(state.latents) for state in waiting]):
            state = waiting[number]
            state.audio = self._finish(state, wave)
            state.marks["decoded"] = mark(built.model.device)

    def _finish(self, state: SongState, wave: Tensor) -> Pending:
        plan, edit = state.plan, state.plan.edit
        if edit is None or edit.fade is None or plan.source is None or edit.all_of(plan.frames):
            return self.built.finisher(wave, plan.frames)
        share = ramps(plan.frames, edit.first, edit.last, edit.fade)
        return self.built.finisher.splice(wave, plan.source, share)

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
        return Audio(
            samples=samples,
            sample_rate=self.built.model.sample_rate,
            timings=timings,
            notes=state.plan.notes,
        )


def _by_adapter(states: Sequence[SongState]) -> dict[Chosen, list[SongState]]:
    """Songs that share their weights, which share a pack."""
    groups: dict[Chosen, list[SongState]] = {}
    for state in states:
        groups.setdefault(state.plan.adapters, []).append(state)
    return groups
