"""What one song asks of the network, in the network's terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tasks.engines.acestep.checkpoint.model import DeviceModel
from tasks.engines.acestep.checkpoint.options import Options
from tasks.engines.acestep.plan import uploads
from tasks.engines.acestep.plan.editing import Edit, extend, plan_edit
from tasks.engines.acestep.plan.prompt import write
from tasks.engines.acestep.plan.sampling import Sampling, plan_sampling
from tasks.engines.capabilities import of_variant
from tasks.engines.engine import Song
from tasks.jobs import JobRequest

SOURCE_SEED = 0x5EED  # so that the noise of a source's encoding is not the noise that the song starts from
RETAKE_SEED = 0x2E7A
CODE_LATENTS = 5  # that one audio code stands for


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One song, decided: every default is filled in and every upload read.

    Attributes:
        text, lyrics: The words in the network's templates.
        aside: The text for the steps after `followed`.
        followed: Steps that follow source and task; those after it follow the words alone.
        notes: What the person should know: what was shortened.
        frames, latents: The song's length.
        source, reference: Uploads, [2, frames]; a source that is extended has its silence already.
        codes: Audio codes in place of a source.
        recoded: Whether the network hears the source as its audio codes give it back.
        edit: The part that is made anew; None for all.
        retake: Seed and share of a second noise.
        adapters: Names and scales, sorted.
    """

    text: str
    lyrics: str
    aside: str
    followed: int
    notes: tuple[str, ...]
    sampling: Sampling
    frames: int
    latents: int
    seed: int
    task: str
    source: Tensor | None
    reference: Tensor | None
    codes: tuple[int, ...] | None
    recoded: bool
    edit: Edit | None
    retake: tuple[int, float] | None
    adapters: tuple[tuple[str, float], ...]

    @property
    def source_seed(self) -> int:
        """The seed of the noise in the source's and the reference's encodings."""
        return self.seed ^ SOURCE_SEED

    @property
    def passes(self) -> int:
        """Documents that the song brings to a pack."""
        return 1 if self.sampling.guidance is None else 2

    @property
    def turns_aside(self) -> bool:
        """Whether the words alone are followed from some step on."""
        return self.followed < self.sampling.count


def make_plan(song: Song, model: DeviceModel, options: Options) -> Plan:
    """Decide what is asked.

    Raises:
        JobError: An upload cannot be used, or the checkpoint cannot do this task.
    """
    ask = song.request
    _check(ask, model)
    given = _upload(ask.source_audio, model, options)
    source = None if given is None else extend(ask, given, model.sample_rate)
    frames = _frames(ask, source, model)
    latents = math.ceil(frames / model.hop)
    seconds = frames / model.sample_rate if given is None else given.shape[-1] / model.sample_rate
    prompt = write(ask, model.pipe.tokenizer, seconds=seconds, lego_sft=model.variant.lego_sft)
    sampling = plan_sampling(ask, model.variant, model.dtype)
    strength = 1.0 if ask.audio_cover_strength is None else ask.audio_cover_strength
    return Plan(
        text=prompt.text,
        lyrics=prompt.lyrics,
        aside=prompt.aside,
        followed=int(sampling.count * strength),
        notes=prompt.notes,
        sampling=sampling,
        frames=frames,
        latents=latents,
        seed=song.seed,
        task=ask.task_type,
        source=source,
        reference=_upload(ask.reference_audio, model, options),
        codes=ask.audio_codes,
        recoded=ask.task_type == "cover" and ask.audio_codes is None,
        edit=plan_edit(ask, seconds=seconds, latents=latents, hop=model.hop, rate=model.sample_rate),
        retake=_retake(ask, song.seed),
        adapters=_adapters(ask),
    )


def _frames(ask: JobRequest, source: Tensor | None, model: DeviceModel) -> int:
    if source is not None:
        return source.shape[-1]
    if ask.audio_codes is not None:
        return len(ask.audio_codes) * CODE_LATENTS * model.hop
    return round(ask.duration * model.sample_rate)


def _upload(name: str | None, model: DeviceModel, options: Options) -> Tensor | None:
    return None if name is None else uploads.read(options.uploads, name, model.sample_rate)


def _check(ask: JobRequest, model: DeviceModel) -> None:
    for refusal in of_variant(model.variant).refusals(ask):
        raise uploads.refuse(f"{refusal.field} {refusal.detail} (this checkpoint is {model.variant.label})")
    if (ask.task_type == "cover" or ask.audio_codes) and model.pipe.audio_tokenizer is None:
        raise uploads.refuse("this model has no audio tokenizer, which a cover needs; choose another task")


def _retake(ask: JobRequest, seed: int) -> tuple[int, float] | None:
    if not ask.retake_variance:
        return None
    other: Any = seed ^ RETAKE_SEED if ask.retake_seed is None else ask.retake_seed
    return other, ask.retake_variance


def _adapters(ask: JobRequest) -> tuple[tuple[str, float], ...]:
    """Those that are heard; at scale 0 an adapter does nothing."""
    named = [(ask.lora, 1.0)] if ask.lora is not None else [(one.name, one.scale) for one in ask.loras]
    return tuple(sorted((name, scale) for name, scale in named if scale > 0))
