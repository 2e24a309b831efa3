"""What a person asks for: its fields, their ranges, and how text is cleaned."""

from __future__ import annotations

import itertools
import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

PROMPT_MIN, PROMPT_MAX = 5, 2_000
LYRICS_MAX = 10_000
REQUEST_BYTES_MAX = 12 * (LYRICS_MAX + PROMPT_MAX + 2_000) + 16_384
"""Bytes of a request that fills every field: a letter takes twelve where JSON or a form escapes an emoji."""
SECONDS_MIN, SECONDS_MAX = 5.0, 600.0
VARIATIONS_MAX = 8
SEED_MAX = 2**32 - 1

AudioFormat = Literal["wav", "flac", "mp3", "opus"]
Priority = Literal["low", "normal", "high"]
TaskType = Literal["text2music", "cover", "cover-nofsq", "repaint", "extract", "lego", "complete"]
CODE_MAX = 63_999  # the largest audio code; five of them make a second
ADAPTERS_MAX = 8

AUDIO_CODE = re.compile(r"<\|audio_code_(\d{1,6})\|>")

CONTROLS = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\ud800-\\udfff]"
)  # Unicode's Cc and Cs, less \n and \t
LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
LEFT_BY_WORD = {
    0x1E: "-",
    0x1F: None,
    0xFEFF: None,
}  # its hyphen, its optional hyphen; a byte-order mark inside
UPLOAD_ID = r"^[0-9a-f]{64}$"
"""An upload is named by the SHA-256 of its bytes, so that equal requests have equal fingerprints."""

KEY_SCALE = re.compile(r"^[A-G][#b♯♭]?(?: (?:major|minor))?$", re.IGNORECASE)


def clean_text(text: Any) -> Any:
    """Trim, make line ends the same, and refuse what no keyboard types: control and surrogate characters.

    Runs before a text is counted, so that what is counted is what is kept. Word processors leave vertical
    tabs, form feeds and Unicode's separators for line ends, and marks of their own for hyphens.
    """
    if not isinstance(text, str):
        return text  # the next check says that it has to be text
    text = LINE_ENDS.sub("\n", text).translate(LEFT_BY_WORD).strip()
    if found := CONTROLS.search(text):
        raise ValueError(f"contains the control character U+{ord(found[0]):04X}; remove it")
    return text


def _known_key(text: str) -> str:
    if not KEY_SCALE.fullmatch(text):
        raise ValueError("is a note and optionally a mode, such as 'A minor', 'F# major' or 'Bb'")
    return text.replace("♯", "#").replace("♭", "b")


def _codes(given: Any) -> Any:
    """The numbers in ACE-Step's own notation, `<|audio_code_7|><|audio_code_12|>`; a list as it is."""
    if not isinstance(given, str):
        return tuple(given) if isinstance(given, list) else given
    if AUDIO_CODE.sub("", given).strip():
        raise ValueError("is a list of numbers, or <|audio_code_N|> run together")
    return tuple(int(code) for code in AUDIO_CODE.findall(given))


def _descending(times: tuple[float, ...]) -> tuple[float, ...]:
    if any(later >= earlier for earlier, later in itertools.pairwise(times)):
        raise ValueError("falls from one time to the next, from 1 (noise) towards 0 (music)")
    return times


CleanText = Annotated[str, BeforeValidator(clean_text)]
Code = Annotated[int, Field(ge=0, le=CODE_MAX)]
Time = Annotated[float, Field(ge=0.0, le=1.0)]
Seed = Annotated[int, Field(ge=0, le=SEED_MAX)]
AdapterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Adapter(BaseModel):
    """An adapter and how strongly it is heard."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: AdapterName
    scale: float = Field(1.0, ge=0.0, le=1.0, description="0 leaves it out, 1 is as it was trained.")


class JobRequest(BaseModel):
    """One request for music. The fields carry ACE-Step's names; what is None the engine chooses.

    Sources: the fields of ACE-Step 1.5's `GenerationParams`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    prompt: Annotated[
        CleanText,
        AfterValidator(str),  # what is behind it counts, and says how many there are
        StringConstraints(min_length=PROMPT_MIN, max_length=PROMPT_MAX),
    ] = Field(
        description="What the music should be, in English or Chinese.",
        examples=["A calm lo-fi beat with soft piano, 80 bpm"],
    )
    lyrics: CleanText = Field(
        "",
        max_length=LYRICS_MAX,
        description="Words to sing, with section tags such as [verse] and [chorus].",
    )
    duration: float = Field(60.0, ge=SECONDS_MIN, le=SECONDS_MAX, description="Length in seconds.")
    bpm: int | None = Field(None, ge=30, le=300, description="Beats a minute.")
    key_scale: Annotated[str, AfterValidator(_known_key)] | None = Field(None, examples=["A minor"])
    time_signature: Literal["2/4", "3/4", "4/4", "6/8"] | None = Field(None, description="Metre.")
    vocal_language: str | None = Field(
        None, pattern=r"^[a-z]{2,3}$", description="ISO 639 code, such as 'en'."
    )
    task_type: TaskType = Field("text2music", description="What to do; all but text2music need source audio.")
    source_audio: str | None = Field(None, pattern=UPLOAD_ID, description="Upload to work on.")
    reference_audio: str | None = Field(None, pattern=UPLOAD_ID, description="Upload whose timbre to follow.")
    audio_codes: (
        Annotated[tuple[Code, ...], BeforeValidator(_codes), Field(min_length=25, max_length=3_000)] | None
    ) = Field(None, description="ACE-Step's audio codes to follow, five a second; they set the length.")
    audio_cover_strength: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Share of the steps that follow the source; the rest the words alone.",
    )
    cover_noise_strength: float | None = Field(
        None, ge=0.0, le=1.0, description="How much of the source a cover starts from; 0 starts from noise."
    )
    repaint_start: float | None = Field(
        None,
        ge=-SECONDS_MAX,
        le=SECONDS_MAX,
        description="Where repaint or lego starts; below 0 it extends the source at its start.",
    )
    repaint_end: float | None = Field(
        None, gt=0.0, le=SECONDS_MAX, description="Where it ends; past the source's end it extends that."
    )
    repaint_mode: Literal["conservative", "balanced", "aggressive"] | None = Field(
        None, description="How hard repaint holds on to what lies outside."
    )
    repaint_strength: float | None = Field(
        None, ge=0.0, le=1.0, description="Of the balanced mode: 0 is conservative, 1 aggressive."
    )
    chunk_mask_mode: Literal["auto", "explicit"] | None = Field(
        None, description="Whether the network is told the region (explicit), or all of it (auto)."
    )
    track: str | None = Field(
        None,
        pattern=r"^[a-z][a-z _]{1,31}(,[a-z][a-z _]{1,31}){0,7}$",
        description="Track to extract or add, such as 'vocals'; complete takes several, with commas.",
    )
    global_caption: CleanText | None = Field(
        None,
        max_length=PROMPT_MAX,
        description="What the whole song is, where prompt says what one track is.",
    )
    instrumental: bool = Field(False, description="Whether nobody sings.")
    lora: AdapterName | None = Field(None, description="Adapter, at full strength.")
    loras: tuple[Adapter, ...] = Field((), max_length=ADAPTERS_MAX, description="Several, each with a scale.")
    steps: int | None = Field(None, ge=1, le=200, description="Denoising steps.")
    guidance_scale: float | None = Field(None, ge=0.0, le=30.0)
    guidance_mode: Literal["apg", "adg"] | None = Field(
        None, description="Adaptive projected (arXiv:2410.02416) or angle-based dynamic guidance."
    )
    cfg_interval_start: Time | None = Field(None, description="Guidance acts from this time (0: music) ...")
    cfg_interval_end: Time | None = Field(None, description="... to this one (1: noise).")
    shift: float | None = Field(None, gt=0.0, le=10.0, description="Shift of the timestep schedule.")
    timesteps: Annotated[tuple[Time, ...], AfterValidator(_descending)] | None = Field(
        None, min_length=1, max_length=201, description="Times of the steps, in place of steps and shift."
    )
    sampler: Literal["euler", "heun"] | None = Field(None, description="Heun takes two passes a step.")
    infer_method: Literal["ode", "sde"] | None = Field(None, description="sde draws fresh noise each step.")
    dcw: Literal["off", "low", "high", "double", "pix"] | None = Field(
        None, description="Correction in the wavelet domain (arXiv:2604.16044)."
    )
    dcw_scaler: float | None = Field(None, ge=0.0, le=1.0, description="Its strength on the low band.")
    dcw_high_scaler: float | None = Field(None, ge=0.0, le=1.0, description="The same on the high one.")
    velocity_norm_threshold: float | None = Field(
        None, ge=0.0, le=10.0, description="Largest step by the song's own norm; 0: any."
    )
    velocity_ema_factor: float | None = Field(None, ge=0.0, lt=1.0, description="Share of the step before.")
    latent_shift: float | None = Field(None, ge=-1.0, le=1.0, description="Added to the latents at the end.")
    latent_rescale: float | None = Field(None, gt=0.0, le=4.0, description="What they are multiplied by.")
    retake_seed: Seed | None = Field(None, description="Seed of the noise that a retake mixes in.")
    retake_variance: float | None = Field(
        None, ge=0.0, le=1.0, description="How far a retake goes from the song of `seed`."
    )
    seed: int | None = Field(None, ge=0, le=SEED_MAX, description="The same seed gives the same audio.")
    seeds: tuple[Seed, ...] = Field(
        (),
        max_length=VARIATIONS_MAX,
        description="One for each variation, in place of counting on from seed.",
    )
    variations: int = Field(1, ge=1, le=VARIATIONS_MAX, description="How many songs to make of it.")
    format: AudioFormat = "wav"
    priority: Priority = "normal"
    callback_url: str | None = Field(None, max_length=2_000, description="Gets a POST when the job ends.")

    @model_validator(mode="after")
    def _has_its_source(self) -> Self:
        sourced = self.source_audio is not None
        if (self.task_type == "text2music") == sourced and not (self.audio_codes and not sourced):
            raise ValueError("source_audio goes with every task_type but text2music; upload the audio first")
        if self.audio_codes and (sourced or self.task_type not in {"text2music", "cover"}):
            raise ValueError("audio_codes stand in place of source_audio, for text2music and cover")
        if self.repaint_end is not None and (self.repaint_start or 0.0) >= self.repaint_end:
            raise ValueError("repaint_start has to be before repaint_end")
        return self

    @model_validator(mode="after")
    def _is_of_one_mind(self) -> Self:
        """Refuse fields of which one would overrule the other in silence."""
        if self.instrumental and self.lyrics:
            raise ValueError("lyrics are sung, and instrumental says that nobody sings; leave one out")
        if self.seeds and (self.seed is not None or len(self.seeds) != self.variations):
            raise ValueError("seeds has one seed for each of the variations, and goes without seed")
        if self.lora is not None and self.loras:
            raise ValueError("lora is one adapter and loras are several; use one of them")
        if len({adapter.name for adapter in self.loras}) < len(self.loras):
            raise ValueError("loras names an adapter twice")
        if self.timesteps and (self.steps is not None or self.shift is not None):
            raise ValueError("timesteps stands in place of steps and shift; leave them out")
        if self.sampler == "heun" and self.infer_method == "sde":
            raise ValueError("sampler heun goes with infer_method ode; sde takes euler steps")
        interval = (
            self.cfg_interval_start or 0.0,
            1.0 if self.cfg_interval_end is None else self.cfg_interval_end,
        )
        if interval[0] > interval[1]:
            raise ValueError("cfg_interval_start has to be no more than cfg_interval_end")
        if self.repaint_strength is not None and self.repaint_mode not in {None, "balanced"}:
            raise ValueError("repaint_strength is of repaint_mode balanced")
        if self.retake_seed is not None and not self.retake_variance:
            raise ValueError("retake_seed needs retake_variance, which says how far the retake goes")
        return self
