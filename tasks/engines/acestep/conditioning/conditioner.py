"""What the network hears before it starts: words, timbre, source.

`Conditioner` asks diffusers' modules, song by song. `encoders.PackedConditioner` does the words of many songs
in one pass, for GPUs; the two are tested equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tasks.engines.acestep.checkpoint.model import Model
from tasks.engines.acestep.plan.plan import Plan

TEXT_LONGEST, LYRICS_LONGEST = 256, 2_048
REFERENCE_SECONDS = 30
CONTEXTS_KEPT = 64  # 0.4 MB a minute
TILED_SECONDS = 60  # longer sources are encoded in tiles, or the encoder's first layers would fill the memory


class Words(NamedTuple):
    """One song's token numbers, int64 [n] on the CPU."""

    text: Tensor
    lyrics: Tensor
    rows: int  # of the condition: the lyrics', the timbre's one, the text's


def tokenise(plan: Plan, tokenizer: Any) -> Words:
    """Token numbers, cut where diffusers' pipeline cuts them."""

    def numbers(text: str, longest: int) -> Tensor:
        # not return_tensors: it looks at every number in Python, which costs more than the tokenizing
        return torch.tensor(tokenizer(text, truncation=True, max_length=longest).input_ids)

    text, lyrics = numbers(plan.text, TEXT_LONGEST), numbers(plan.lyrics, LYRICS_LONGEST)
    return Words(text, lyrics, len(lyrics) + 1 + len(text))


class Conditioner:
    """Encodes with diffusers' own modules."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._pipe = model.pipe
        self._contexts: dict[int, Tensor] = {}  # of songs without a source, which length alone decides

    @torch.inference_mode()
    def encode(self, plans: Sequence[Plan], words: Sequence[Words]) -> list[Tensor]:
        """Each song's condition [rows, d]: lyrics, timbre, text."""
        return [self._encode(plan, word) for plan, word in zip(plans, words, strict=True)]

    def _encode(self, plan: Plan, words: Words) -> Tensor:
        pipe, device = self._pipe, self.model.device
        text, lyrics = words.text[None].to(device), words.lyrics[None].to(device)
        condition, _ = pipe.condition_encoder(
            text_hidden_states=pipe.text_encoder(input_ids=text).last_hidden_state,
            text_attention_mask=torch.ones_like(text, dtype=torch.bool),
            lyric_hidden_states=pipe.text_encoder.get_input_embeddings()(lyrics),
            lyric_attention_mask=torch.ones_like(lyrics, dtype=torch.bool),
            refer_audio_acoustic_hidden_states_packed=self.timbre_latents(plan),
            refer_audio_order_mask=torch.zeros(1, device=device, dtype=torch.long),
        )
        found: Tensor = condition[0]
        return found

    def timbre_latents(self, plan: Plan) -> Tensor:
        """What the timbre encoder hears, [1, latents, channels]: the reference, else the learned silence."""
        pipe, model = self._pipe, self.model
        if plan.reference is None:
            length = round(REFERENCE_SECONDS * pipe.latents_per_second)
            silence: Tensor = pipe.condition_encoder.silence_latent[:, :length]
            return silence.to(model.device, model.dtype).contiguous()
        with self._noise(plan.source_seed + 1):
            heard, _ = pipe.prepare_reference_audio_latents(
                reference_audio=plan.reference, batch_size=1, device=model.device, dtype=model.dtype
            )
        latents: Tensor = heard
        return latents

    @torch.inference_mode()
    def context(self, plan: Plan) -> Tensor:
        """The source beside the mask of what to make, [latents, 2 * channels]."""
        if plan.source is not None:
            return self._context(plan)
        if plan.latents not in self._contexts:
            self._contexts[plan.latents] = self._context(plan)
            if len(self._contexts) > CONTEXTS_KEPT:
                del self._contexts[next(iter(self._contexts))]
        return self._contexts[plan.latents]

    def _context(self, plan: Plan) -> Tensor:
        source = self._source(plan)
        mask = self._mask(plan)
        if plan.task == "repaint":
            source = torch.where(mask > 0.5, self._silence(plan.latents), source)
        return torch.cat([source, mask], dim=-1)

    def _source(self, plan: Plan) -> Tensor:
        if plan.source is None:
            return self._silence(plan.latents)
        pipe, model = self._pipe, self.model
        missing = plan.latents * model.hop - plan.source.shape[-1]
        audio = torch.nn.functional.pad(plan.source, (0, missing))
        pipe.vae.use_tiling = audio.shape[-1] > TILED_SECONDS * model.sample_rate
        with self._noise(plan.source_seed):
            latents, length = pipe.prepare_src_latents(
                device=model.device, dtype=model.dtype, src_audio=audio, task_type=plan.task
            )
        if length != plan.latents:
            raise ValueError(f"the encoder made {length} latents of audio for {plan.latents}")
        found: Tensor = latents[0]
        return found

    def _silence(self, latents: int) -> Tensor:
        silence, _ = self._pipe.prepare_src_latents(
            device=self.model.device, dtype=self.model.dtype, latent_length=latents
        )
        found: Tensor = silence[0]
        return found

    def _mask(self, plan: Plan) -> Tensor:
        mask = self._pipe._build_chunk_mask(
            task_type=plan.task,
            latent_length=plan.latents,
            batch_size=1,
            device=self.model.device,
            dtype=self.model.dtype,
            acoustic_dim=int(self._pipe.transformer.config.audio_acoustic_hidden_dim),
            repainting_start=plan.window[0],
            repainting_end=plan.window[1],
            has_src_audio=plan.source is not None,
        )
        found: Tensor = mask[0]
        return found

    def _noise(self, seed: int) -> Any:
        """A scope in which the audio encoder's sampling, which takes no generator, draws from `seed`."""
        return _Seeded(seed, self.model.device)


class _Seeded:
    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed = seed
        self._fork = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])

    def __enter__(self) -> None:
        self._fork.__enter__()
        torch.manual_seed(self._seed)

    def __exit__(self, *error: Any) -> None:
        self._fork.__exit__(*error)
