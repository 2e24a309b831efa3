"""What one song asks of the network, in the network's terms."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from tasks.engines.acestep.checkpoint.model import Model
from tasks.engines.acestep.options import Options
from tasks.engines.acestep.plan import uploads
from tasks.engines.acestep.plan.schedule import Step, steps
from tasks.engines.engine import Song
from tasks.jobs import JobRequest

TURBO_STEPS, BASE_STEPS = 8, 50
SHIFT = 3.0
GUIDANCE = 7.0
SOURCE_SEED = 0x5EED  # so that the noise of a source's encoding is not the noise that the song starts from


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One song, decided: every default is filled in and every upload read.

    `guidance` is None where the song takes one pass a step. `source` and `reference` are [2, frames].
    """

    text: str
    lyrics: str
    steps: tuple[Step, ...]
    guidance: float | None
    frames: int
    latents: int
    seed: int
    task: str
    source: Tensor | None
    reference: Tensor | None
    window: tuple[float, float | None]
    lora: str | None

    @property
    def source_seed(self) -> int:
        """The seed of the noise in the source's and the reference's encodings."""
        return self.seed ^ SOURCE_SEED

    @property
    def passes(self) -> int:
        """Documents that the song brings to a pack."""
        return 1 if self.guidance is None else 2


def make_plan(song: Song, model: Model, options: Options) -> Plan:
    """Decide what is asked.

    Raises:
        JobError: An upload cannot be used, or the checkpoint cannot do this task.

    """
    ask = song.request
    _check_task(ask, model)
    source = _upload(ask.source_audio, model, options)
    frames = round(ask.duration * model.sample_rate) if source is None else source.shape[-1]
    latents = math.ceil(frames / model.hop)
    text, lyrics = _words(ask, model, frames / model.sample_rate)
    return Plan(
        text=text,
        lyrics=lyrics,
        steps=steps(ask.steps or (TURBO_STEPS if model.turbo else BASE_STEPS), ask.shift or SHIFT),
        guidance=_guidance(ask, model),
        frames=frames,
        latents=latents,
        seed=song.seed,
        task=ask.task_type,
        source=source,
        reference=_upload(ask.reference_audio, model, options),
        window=(ask.repaint_start or 0.0, ask.repaint_end),
        lora=ask.lora,
    )


def _upload(name: str | None, model: Model, options: Options) -> Tensor | None:
    return None if name is None else uploads.read(options.uploads, name, model.sample_rate)


def _check_task(ask: JobRequest, model: Model) -> None:
    if ask.task_type == "cover" and model.pipe.audio_tokenizer is None:
        raise uploads.refuse("this model has no audio tokenizer, which a cover needs; choose another task")


def _guidance(ask: JobRequest, model: Model) -> float | None:
    scale = GUIDANCE if ask.guidance_scale is None else ask.guidance_scale
    return None if model.turbo or scale <= 1.0 else scale


def _words(ask: JobRequest, model: Model, seconds: float) -> tuple[str, str]:
    """The prompt and the lyrics in the form that the network was trained on, worded by diffusers."""
    tracks = ask.track.split(",") if ask.track else []
    instruction = model.pipe._get_task_instruction(
        task_type=ask.task_type,
        track_name=tracks[0] if tracks else None,
        complete_track_classes=tracks,
    )
    text, lyrics = model.pipe._format_prompt(
        prompt=ask.prompt,
        lyrics=ask.lyrics,
        vocal_language=ask.vocal_language or "en",
        audio_duration=seconds,
        instruction=instruction,
        bpm=ask.bpm,
        keyscale=ask.key_scale,
        # ACE-Step names a metre by its beats: "3" is 3/4, "6" is 6/8
        timesignature=ask.time_signature.split("/")[0] if ask.time_signature else None,
    )
    return str(text), str(lyrics)
