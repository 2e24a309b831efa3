"""What may be asked for beside the prompt.

Written by generate.py; do not edit.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


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

    task_type: NotRequired[Literal["text2music", "cover", "repaint", "extract", "lego", "complete"]]
    """What to do; all but text2music need source audio."""

    source_audio: NotRequired[str | None]
    """Upload to work on."""

    reference_audio: NotRequired[str | None]
    """Upload whose timbre to follow."""

    repaint_start: NotRequired[float | None]
    """Where repaint or lego starts."""

    repaint_end: NotRequired[float | None]
    """Where it ends."""

    track: NotRequired[str | None]
    """Track to extract or add, such as 'vocals'; complete takes several, with commas."""

    lora: NotRequired[str | None]
    """Adapter."""

    steps: NotRequired[int | None]
    """Denoising steps."""

    guidance_scale: NotRequired[float | None]
    shift: NotRequired[float | None]
    """Shift of the timestep schedule."""

    seed: NotRequired[int | None]
    """The same seed gives the same audio."""

    variations: NotRequired[int]
    """How many songs to make of it."""

    seeds: NotRequired[list[int] | None]
    """A seed for each variation, in place of `seed`, from which they count up."""

    format: NotRequired[Literal["wav", "flac", "mp3", "opus"]]
    priority: NotRequired[Literal["low", "normal", "high"]]
    callback_url: NotRequired[str | None]
    """Gets a POST when the job ends."""
