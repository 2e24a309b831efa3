"""What the network hears before it starts: words, timbre, source.

`Conditioner` asks diffusers' modules, song by song. `encoders.PackedConditioner` does the words of many songs
in one pass, for GPUs; the two are tested equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tasks.engines.acestep.checkpoint.model import DeviceModel
from tasks.engines.acestep.plan.plan import Plan
from tasks.engines.acestep.plan.prompt import LYRICS_LONGEST, TEXT_LONGEST

REFERENCE_SECONDS = 30
CONTEXTS_KEPT = 64  # 0.4 MB a minute
TILED_SECONDS = 60  # longer sources are encoded in tiles, or the encoder's first layers would fill the memory


class Words(NamedTuple):
    """One song's token numbers, int64 [n] on the CPU."""

    text: Tensor
    lyrics: Tensor
    rows: int  # of the condition: the lyrics', the timbre's one, the text's


def tokenise(plan: Plan, tokenizer: Any, *, aside: bool = False) -> Words:
    """Token numbers, cut where upstream cuts them; `aside`: of the text for the steps without source."""

    def numbers(text: str, longest: int) -> Tensor:
        # not return_tensors: it looks at every number in Python, which costs more than the tokenizing
        return torch.tensor(tokenizer(text, truncation=True, max_length=longest).input_ids)

    text, lyrics = (
        numbers(plan.aside if aside else plan.text, TEXT_LONGEST),
        numbers(plan.lyrics, LYRICS_LONGEST),
    )
    return Words(text, lyrics, len(lyrics) + 1 + len(text))


class Conditioner:
    """Encodes with diffusers' own modules."""

    def __init__(self, model: DeviceModel) -> None:
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
    def clean(self, plan: Plan) -> Tensor | None:
        """The source as the network's latents [latents, channels]: of the audio, or of its audio codes."""
        if plan.codes is not None:
            return self._decoded(plan.codes)
        return None if plan.source is None else self._encoded(plan, plan.source)

    @torch.inference_mode()
    def context(self, plan: Plan, clean: Tensor | None) -> Tensor:
        """What the network sees of the source, beside the mask of what to make: [latents, 2 * channels]."""
        if clean is None:
            return self._silent_context(plan.latents)
        source = self._recoded(clean) if plan.recoded else clean
        if plan.edit is not None and plan.edit.silent:
            window = plan.edit.inside(plan.latents).to(source.device)
            source = torch.where(window, self._silence(plan.latents), source)
        return torch.cat([source, self._mask(plan, like=source)], dim=-1)

    @torch.inference_mode()
    def context_aside(self, plan: Plan) -> Tensor:
        """The same for the steps that follow the words alone: silence beside the mask."""
        silence = self._silence(plan.latents)
        return torch.cat([silence, self._mask(plan, like=silence)], dim=-1)

    def _silent_context(self, latents: int) -> Tensor:
        if latents not in self._contexts:
            silence = self._silence(latents)
            self._contexts[latents] = torch.cat([silence, torch.ones_like(silence)], dim=-1)
            if len(self._contexts) > CONTEXTS_KEPT:
                del self._contexts[next(iter(self._contexts))]
        return self._contexts[latents]

    def _encoded(self, plan: Plan, audio: Tensor) -> Tensor:
        """A sample of the autoencoder's posterior, as upstream takes it, by the song's seed."""
        vae, model = self._pipe.vae, self.model
        missing = plan.latents * model.hop - audio.shape[-1]
        padded = torch.nn.functional.pad(audio, (0, missing))[None].to(model.device, vae.dtype)
        vae.use_tiling = padded.shape[-1] > TILED_SECONDS * model.sample_rate
        with self._noise(plan.source_seed):
            latents = vae.encode(padded).latent_dist.sample()[0].T.to(model.dtype)
        if latents.shape[0] != plan.latents:
            raise ValueError(f"the encoder made {latents.shape[0]} latents of audio for {plan.latents}")
        found: Tensor = latents
        return found

    def _recoded(self, clean: Tensor) -> Tensor:
        """What the audio codes of these latents give back, which is all that a cover hears of its source."""
        pipe = self._pipe
        quantised, _ = pipe.audio_tokenizer.tokenize(clean[None], pipe.condition_encoder.silence_latent)
        found: Tensor = pipe.audio_token_detokenizer(quantised.to(clean.dtype))[0, : clean.shape[0]]
        return found

    def _decoded(self, codes: Sequence[int]) -> Tensor:
        pipe = self._pipe
        indices = torch.tensor(codes, device=self.model.device)[None, :, None]
        quantised = pipe.audio_tokenizer.quantizer.get_output_from_indices(indices)
        found: Tensor = pipe.audio_token_detokenizer(quantised.to(self.model.dtype))[0]
        return found

    def _silence(self, latents: int) -> Tensor:
        known = self._pipe.condition_encoder.silence_latent[0].to(self.model.device, self.model.dtype)
        times = -(-latents // known.shape[0])
        return known.repeat(times, 1)[:latents].contiguous()

    def _mask(self, plan: Plan, *, like: Tensor) -> Tensor:
        """1 where the network is to make music. Only an explicit mask tells it the window.

        (Upstream writes 2 for the automatic one into a tensor of truth values, so that the network sees 1.)
        """
        if plan.edit is None or not plan.edit.explicit:
            return torch.ones_like(like)
        return plan.edit.inside(plan.latents).to(like.device, like.dtype).expand_as(like)

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
