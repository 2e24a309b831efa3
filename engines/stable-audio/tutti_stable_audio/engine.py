"""Stable Audio Open, many songs at once: one pass of the transformer a step, a scheduler for each song.

The network hears the time of each row, so songs share a pass wherever they stand; all have the same number of
latents, since the model was trained on one length and a shorter song is its beginning.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from diffusers import StableAudioPipeline
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from torch import Tensor

from tasks.engines.capabilities import Capabilities
from tasks.engines.engine import Audio, EngineOutOfMemory, Song
from tasks.settings import Settings
from tutti_stable_audio.model import NAME, PLACES, VERSION, checkpoint_of, model_of

STEPS, GUIDANCE = 100, 7.0  # diffusers' own


@dataclass(eq=False)
class SongState:
    """One song on its way.

    Attributes:
        scheduler: The song's own, since it remembers the steps before.
        rows: 2 where guidance needs a pass without the prompt too, else 1.
        latents: [1, channels, length]; None before the first step, as are the two below.
        words: What each row hears: [rows, tokens, width].
        whole: What each row knows of its length: [rows, 1, width].
    """

    song: Song
    scheduler: Any
    generator: torch.Generator
    guidance: float
    taken: int = 0
    latents: Tensor | None = None
    words: Tensor | None = None
    whole: Tensor | None = None

    @property
    def rows(self) -> int:
        """Rows of a pass that the song takes."""
        return 2 if self.guidance > 1.0 else 1

    @property
    def done(self) -> bool:
        """Whether every step is taken."""
        return self.taken >= len(self.scheduler.timesteps)

    @property
    def progress(self) -> float:
        """Share of the steps taken."""
        return self.taken / len(self.scheduler.timesteps)


class StableAudioEngine:
    """Implements `tasks.engines.engine.Engine`.

    Args:
        model: A folder in diffusers' layout, or a hub id in the local cache.
        capabilities: What it can be asked; the rest is refused.
        places: Songs at once.
    """

    name, version = NAME, VERSION

    def __init__(self, model: str, capabilities: Capabilities, *, places: int = PLACES) -> None:
        self.capabilities, self._model, self._places = capabilities, model, places
        self._pipe: Any = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The engine that the settings describe."""
        model = model_of(settings)
        assert model.capabilities is not None  # noqa: S101 - for the type checker
        return cls(checkpoint_of(settings), model.capabilities, places=model.songs)

    def load(self) -> None:
        """Load the checkpoint: in half precision onto the GPU where there is one."""
        gpu = torch.cuda.is_available()
        kind = torch.float16 if gpu else torch.float32
        pipe = StableAudioPipeline.from_pretrained(self._model, dtype=kind, local_files_only=True)
        self._pipe = pipe.to("cuda" if gpu else "cpu")

    def unload(self) -> None:
        """Free the device."""
        self._pipe = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def fits(self, states: Sequence[SongState], song: Song) -> bool:  # noqa: ARG002 - all take as much
        """Whether there is a place."""
        return len(states) < self._places

    def admit(self, song: Song) -> SongState:
        """Prepare a song; nothing of it is on the device before its first step.

        Raises:
            JobError: It asks for what this model cannot do.
        """
        request = song.request
        self.capabilities.check(request)
        scheduler = copy.deepcopy(self._pipe.scheduler)
        scheduler.set_timesteps(request.steps or STEPS, device=self._pipe.device)
        generator = torch.Generator("cpu").manual_seed(song.seed)
        guidance = GUIDANCE if request.guidance_scale is None else request.guidance_scale
        return SongState(song, scheduler, generator, guidance)

    @torch.inference_mode()
    def step(self, states: Sequence[SongState]) -> None:
        """Take one step of each song that is not done.

        Raises:
            EngineOutOfMemory: They do not fit together; the last that joined is named.
        """
        going = [state for state in states if not state.done]
        try:
            for state in going:
                if state.latents is None:
                    self._begin(state)
            if going:
                self._denoise(going)
        except torch.OutOfMemoryError as error:
            raise EngineOutOfMemory("the GPU has no memory left", song=going[-1].song) from error

    def _begin(self, state: SongState) -> None:
        """Encode the prompt and the length, and draw the noise, as the pipeline does for one song."""
        pipe, request = self._pipe, state.song.request
        guided = state.rows == 2
        words = pipe.encode_prompt(request.prompt, pipe.device, guided)
        start, end = pipe.encode_duration(0.0, request.duration, pipe.device, False, 1)
        words, whole = torch.cat([words, start, end], dim=1), torch.cat([start, end], dim=2)
        if guided:  # the other row hears nothing, and knows the length
            words = torch.cat([torch.zeros_like(words), words])
            whole = torch.cat([whole, whole])
        state.words, state.whole = words, whole
        config = pipe.transformer.config
        shape = (1, config.in_channels, int(config.sample_size))
        noise = torch.randn(shape, generator=state.generator, dtype=words.dtype).to(pipe.device)
        state.latents = noise * state.scheduler.init_noise_sigma

    def _denoise(self, states: Sequence[SongState]) -> None:
        inputs, times, words, whole = [], [], [], []
        for state in states:
            latents, hears, knows = state.latents, state.words, state.whole
            assert latents is not None and hears is not None and knows is not None  # noqa: S101, PT018 - for the type checker
            time = state.scheduler.timesteps[state.taken]
            inputs += [state.scheduler.scale_model_input(latents, time)] * state.rows
            times += [time] * state.rows
            words.append(hears)
            whole.append(knows)
        transformer = self._pipe.transformer
        predicted = transformer(
            torch.cat(inputs),
            torch.stack(times),
            encoder_hidden_states=torch.cat(words),
            global_hidden_states=torch.cat(whole),
            rotary_embedding=self._rotary(),
            return_dict=False,
        )[0]
        for state, rows in zip(states, predicted.split([state.rows for state in states]), strict=True):
            self._move(state, rows)

    def _rotary(self) -> Any:
        length = int(self._pipe.transformer.config.sample_size) + 1  # the length's own token stands before
        width = self._pipe.rotary_embed_dim
        return get_1d_rotary_pos_embed(width, length, use_real=True, repeat_interleave_real=False)

    def _move(self, state: SongState, rows: Tensor) -> None:
        if state.rows == 2:
            without, with_words = rows.chunk(2)
            rows = without + state.guidance * (with_words - without)
        time = state.scheduler.timesteps[state.taken]
        state.latents = state.scheduler.step(rows, time, state.latents, generator=state.generator).prev_sample
        state.taken += 1

    @torch.inference_mode()
    def decode(self, state: SongState) -> Audio:
        """The finished song.

        Raises:
            EngineOutOfMemory: The decoder does not fit beside the songs on their way.
        """
        vae = self._pipe.vae
        try:
            wave = vae.decode(state.latents).sample[0].float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise EngineOutOfMemory("the GPU has no memory left", song=state.song) from error
        rate = int(vae.config.sampling_rate)
        samples = np.clip(wave[:, : int(state.song.request.duration * rate)], -1.0, 1.0)
        return Audio(samples=np.ascontiguousarray(samples, np.float32), sample_rate=rate)
