"""Who may join the songs on their way, and what a song is before its first step."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from tasks.engines.acestep.adapters.merged import AdaptedWeights
from tasks.engines.acestep.checkpoint.options import Options
from tasks.engines.acestep.conditioning.conditioner import Words, tokenise
from tasks.engines.acestep.denoising.pack import tokens_of
from tasks.engines.acestep.denoising.sampler import Sampler
from tasks.engines.acestep.denoising.state import Aside, SongState
from tasks.engines.acestep.network.build import Built
from tasks.engines.acestep.plan.plan import Plan, make_plan
from tasks.engines.acestep.plan.prompt import TEXT_LONGEST
from tasks.engines.engine import EngineOutOfMemory, Song
from tasks.jobs import JobError

PLANNED = 32  # plans kept between `fits` and `admit`

DRAWERS = 4
"""Threads that draw noise: a minute's takes 3 ms, since a CPU draws its numbers one by one."""


class Fitting:
    """Plans songs, and says which fit beside others within what was measured at load."""

    def __init__(self, built: Built, options: Options, adapters: AdaptedWeights) -> None:
        self._built, self._options, self._adapters = built, options, adapters
        self._drawers = ThreadPoolExecutor(DRAWERS, "noise")
        self._planned: OrderedDict[tuple[str, int], tuple[Plan, Words]] = OrderedDict()

    def fits(self, states: Sequence[SongState], song: Song) -> bool:
        """Whether this song can join without running out of what was measured at load."""
        try:
            plan, words = self._plan(song)
        except JobError:
            return True  # `admit` says what is wrong with it
        built, patch = self._built, self._built.weights.dit.patch
        waiting = [state for state in states if state.audio is None]
        tokens = plan.passes * math.ceil(plan.latents / patch)
        tokens += sum(tokens_of(state, patch) for state in waiting)
        pledged = sum(self._pledged(state) for state in waiting)
        return (
            len(waiting) < self._options.places
            and (tokens <= built.capacity.tokens or not waiting)
            and pledged + self._key_rows(plan, words) <= built.pool.room()
        )

    def admit(self, song: Song) -> SongState:
        """Prepare a song; nothing of it is on the device before its first step.

        Raises:
            JobError: An upload, an adapter or the task cannot be used.
            EngineOutOfMemory: It is too long for this device even alone.
        """
        plan, words = self._plan(song)
        self._planned.pop((song.job_id, song.variation), None)
        built = self._built
        if plan.passes * math.ceil(plan.latents / built.weights.dit.patch) > built.capacity.longest:
            raise EngineOutOfMemory(
                f"{plan.frames / built.model.sample_rate:.0f} s are too long for this device"
            )
        self._adapters.check(plan.adapters)
        model = built.model
        aside = Aside(tokenise(plan, model.pipe.tokenizer, aside=True)) if plan.turns_aside else None
        sampler = Sampler(plan, turbo=model.turbo)
        return SongState(song, plan, words, self._noise(plan), sampler, aside=aside)

    def _key_rows(self, plan: Plan, words: Words) -> int:
        """Rows of the key pool that a song takes at most."""
        blocks = self._built.pool.blocks
        return blocks(words.rows) + (blocks(words.rows + TEXT_LONGEST) if plan.turns_aside else 0)

    def _pledged(self, state: SongState) -> int:
        return self._key_rows(state.plan, state.words) if state.key_start is None else 0

    def _plan(self, song: Song) -> tuple[Plan, Words]:
        key = (song.job_id, song.variation)
        if key not in self._planned:
            plan = make_plan(song, self._built.model, self._options)
            self._planned[key] = plan, tokenise(plan, self._built.model.pipe.tokenizer)
            if len(self._planned) > PLANNED:
                self._planned.popitem(last=False)
        return self._planned[key]

    def _noise(self, plan: Plan) -> Callable[[], tuple[Tensor, Tensor | None]]:
        """What the song starts from, and what a retake mixes in; drawn on the CPU, the same anywhere."""
        dit = self._built.weights.dit

        def draw(seed: int) -> Tensor:
            generator = torch.Generator("cpu").manual_seed(seed)
            size, pinned = (1, plan.latents, dit.channels), dit.device.type == "cuda"
            return torch.randn(size, generator=generator, dtype=dit.dtype, pin_memory=pinned)[0]

        seeds = [plan.seed] if plan.retake is None else [plan.seed, plan.retake[0]]
        drawn = [self._drawers.submit(draw, seed) for seed in seeds]

        def wait() -> tuple[Tensor, Tensor | None]:
            first, *other = [noise.result().to(dit.device, non_blocking=True) for noise in drawn]
            return first, other[0] if other else None

        return wait
