"""What may be asked for beside the prompt.

Written by generate.py; do not edit.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class Adapter(TypedDict):
    """An adapter and how strongly it is heard."""

    name: str
    scale: NotRequired[float]
    """0 leaves it out, 1 is as it was trained."""


class JobFields(TypedDict):
    """One request for music. The fields carry ACE-Step's names; what is None the engine chooses.

    Sources: the fields of ACE-Step 1.5's `GenerationParams`.
    """

    lyrics: NotRequired[str]
    """Words to sing, with section tags such as [verse] and [chorus]."""

    duration: NotRequired[float]
    """Length in seconds."""

    bpm: NotRequired[int | None]
    """Beats a minute."""

    key_scale: NotRequired[str | None]
    time_signature: NotRequired[Literal["2/4", "3/4", "4/4", "6/8"] | None]
    """Metre."""

    vocal_language: NotRequired[str | None]
    """ISO 639 code, such as 'en'."""

    task_type: NotRequired[
        Literal[
            "text2music",
            "cover",
            "cover-nofsq",
            "repaint",
            "extract",
            "lego",
            "complete",
        ]
    ]
    """What to do; all but text2music need source audio."""

    source_audio: NotRequired[str | None]
    """Upload to work on."""

    reference_audio: NotRequired[str | None]
    """Upload whose timbre to follow."""

    audio_codes: NotRequired[list[int] | None]
    """ACE-Step's audio codes to follow, five a second; they set the length."""

    audio_cover_strength: NotRequired[float | None]
    """Share of the steps that follow the source; the rest the words alone."""

    cover_noise_strength: NotRequired[float | None]
    """How much of the source a cover starts from; 0 starts from noise."""

    repaint_start: NotRequired[float | None]
    """Where repaint or lego starts; below 0 it extends the source at its start."""

    repaint_end: NotRequired[float | None]
    """Where it ends; past the source's end it extends that."""

    repaint_mode: NotRequired[Literal["conservative", "balanced", "aggressive"] | None]
    """How hard repaint holds on to what lies outside."""

    repaint_strength: NotRequired[float | None]
    """Of the balanced mode: 0 is conservative, 1 aggressive."""

    chunk_mask_mode: NotRequired[Literal["auto", "explicit"] | None]
    """Whether the network is told the region (explicit), or all of it (auto)."""

    track: NotRequired[str | None]
    """Track to extract or add, such as 'vocals'; complete takes several, with commas."""

    global_caption: NotRequired[str | None]
    """What the whole song is, where prompt says what one track is."""

    instrumental: NotRequired[bool]
    """Whether nobody sings."""

    lora: NotRequired[str | None]
    """Adapter, at full strength."""

    loras: NotRequired[list[Adapter]]
    """Several, each with a scale."""

    steps: NotRequired[int | None]
    """Denoising steps."""

    guidance_scale: NotRequired[float | None]
    guidance_mode: NotRequired[Literal["apg", "adg"] | None]
    """Adaptive projected (arXiv:2410.02416) or angle-based dynamic guidance."""

    cfg_interval_start: NotRequired[float | None]
    """Guidance acts from this time (0: music) ..."""

    cfg_interval_end: NotRequired[float | None]
    """... to this one (1: noise)."""

    shift: NotRequired[float | None]
    """Shift of the timestep schedule."""

    timesteps: NotRequired[list[float] | None]
    """Times of the steps, in place of steps and shift."""

    sampler: NotRequired[Literal["euler", "heun"] | None]
    """Heun takes two passes a step."""

    infer_method: NotRequired[Literal["ode", "sde"] | None]
    """sde draws fresh noise each step."""

    dcw: NotRequired[Literal["off", "low", "high", "double", "pix"] | None]
    """Correction in the wavelet domain (arXiv:2604.16044)."""

    dcw_scaler: NotRequired[float | None]
    """Its strength on the low band."""

    dcw_high_scaler: NotRequired[float | None]
    """The same on the high one."""

    velocity_norm_threshold: NotRequired[float | None]
    """Largest step by the song's own norm; 0: any."""

    velocity_ema_factor: NotRequired[float | None]
    """Share of the step before."""

    latent_shift: NotRequired[float | None]
    """Added to the latents at the end."""

    latent_rescale: NotRequired[float | None]
    """What they are multiplied by."""

    retake_seed: NotRequired[int | None]
    """Seed of the noise that a retake mixes in."""

    retake_variance: NotRequired[float | None]
    """How far a retake goes from the song of `seed`."""

    seed: NotRequired[int | None]
    """The same seed gives the same audio."""

    seeds: NotRequired[list[int]]
    """One for each variation, in place of counting on from seed."""

    variations: NotRequired[int]
    """How many songs to make of it."""

    format: NotRequired[Literal["wav", "flac", "mp3", "opus"]]
    priority: NotRequired[Literal["low", "normal", "high"]]
    callback_url: NotRequired[str | None]
    """Gets a POST when the job ends."""
