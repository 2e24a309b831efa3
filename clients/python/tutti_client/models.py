"""What the server answers.

Written by generate.py; do not edit.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Adapter(BaseModel):
    """An adapter and how strongly it is heard."""

    model_config = ConfigDict(
        extra="allow",
    )
    name: str
    scale: float = 1.0
    """0 leaves it out, 1 is as it was trained."""


class Failure(BaseModel):
    """Why a job failed, as the API shows it under `error`."""

    model_config = ConfigDict(
        extra="allow",
    )
    class_: Annotated[str, Field(alias="class")]
    detail: str


class JobRequest(BaseModel):
    """One request for music. The fields carry ACE-Step's names; what is None the engine chooses.

    Sources: the fields of ACE-Step 1.5's `GenerationParams`.
    """

    model_config = ConfigDict(
        extra="allow",
    )
    prompt: str
    """What the music should be, in English or Chinese."""

    lyrics: str = ""
    """Words to sing, with section tags such as [verse] and [chorus]."""

    duration: float = 60.0
    """Length in seconds."""

    bpm: int | None = None
    """Beats a minute."""

    key_scale: str | None = None
    time_signature: str | None = None
    """Metre."""

    vocal_language: str | None = None
    """ISO 639 code, such as 'en'."""

    task_type: str = "text2music"
    """What to do; all but text2music need source audio."""

    source_audio: str | None = None
    """Upload to work on."""

    reference_audio: str | None = None
    """Upload whose timbre to follow."""

    audio_codes: list[int] | None = None
    """ACE-Step's audio codes to follow, five a second; they set the length."""

    audio_cover_strength: float | None = None
    """Share of the steps that follow the source; the rest the words alone."""

    cover_noise_strength: float | None = None
    """How much of the source a cover starts from; 0 starts from noise."""

    repaint_start: float | None = None
    """Where repaint or lego starts; below 0 it extends the source at its start."""

    repaint_end: float | None = None
    """Where it ends; past the source's end it extends that."""

    repaint_mode: str | None = None
    """How hard repaint holds on to what lies outside."""

    repaint_strength: float | None = None
    """Of the balanced mode: 0 is conservative, 1 aggressive."""

    chunk_mask_mode: str | None = None
    """Whether the network is told the region (explicit), or all of it (auto)."""

    track: str | None = None
    """Track to extract or add, such as 'vocals'; complete takes several, with commas."""

    global_caption: str | None = None
    """What the whole song is, where prompt says what one track is."""

    instrumental: bool = False
    """Whether nobody sings."""

    lora: str | None = None
    """Adapter, at full strength."""

    loras: Annotated[list[Adapter], Field(validate_default=True)] = []
    """Several, each with a scale."""

    steps: int | None = None
    """Denoising steps."""

    guidance_scale: float | None = None
    guidance_mode: str | None = None
    """Adaptive projected (arXiv:2410.02416) or angle-based dynamic guidance."""

    cfg_interval_start: float | None = None
    """Guidance acts from this time (0: music) ..."""

    cfg_interval_end: float | None = None
    """... to this one (1: noise)."""

    shift: float | None = None
    """Shift of the timestep schedule."""

    timesteps: list[float] | None = None
    """Times of the steps, in place of steps and shift."""

    sampler: str | None = None
    """Heun takes two passes a step."""

    infer_method: str | None = None
    """sde draws fresh noise each step."""

    dcw: str | None = None
    """Correction in the wavelet domain (arXiv:2604.16044)."""

    dcw_scaler: float | None = None
    """Its strength on the low band."""

    dcw_high_scaler: float | None = None
    """The same on the high one."""

    velocity_norm_threshold: float | None = None
    """Largest step by the song's own norm; 0: any."""

    velocity_ema_factor: float | None = None
    """Share of the step before."""

    latent_shift: float | None = None
    """Added to the latents at the end."""

    latent_rescale: float | None = None
    """What they are multiplied by."""

    retake_seed: int | None = None
    """Seed of the noise that a retake mixes in."""

    retake_variance: float | None = None
    """How far a retake goes from the song of `seed`."""

    seed: int | None = None
    """The same seed gives the same audio."""

    seeds: list[int] = []
    """One for each variation, in place of counting on from seed."""

    variations: int = 1
    """How many songs to make of it."""

    format: str = "wav"
    priority: str = "normal"
    callback_url: str | None = None
    """Gets a POST when the job ends."""


class Links(BaseModel):
    """Where the job's other things are."""

    model_config = ConfigDict(
        extra="allow",
    )
    self: str
    events: str
    cancel: str
    retry: str
    page: str


class Output(BaseModel):
    """One finished file."""

    model_config = ConfigDict(
        extra="allow",
    )
    url: str | None
    """Null where links are signed and the job is another's."""

    name: str
    format: str
    seconds: float
    bytes: int
    sha256: str
    seed: int | None = None
    variation: int = 1
    notes: list[str] | None = None
    """What was shortened to make it, if anything."""


class Error(BaseModel):
    model_config = ConfigDict(
        extra="allow",
    )
    field: str
    detail: str


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
    )
    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    trace_id: str | None = None
    errors: list[Error] | None = None


class Timings(BaseModel):
    """Seconds that the last attempt spent in each stage; `queue` is the wait before it."""

    model_config = ConfigDict(
        extra="allow",
    )
    queue: float = 0.0
    condition: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0
    encode: float = 0.0
    store: float = 0.0


class Upload(BaseModel):
    """What was taken in."""

    model_config = ConfigDict(
        extra="allow",
    )
    id: str
    """Pass it as `source_audio` or `reference_audio`."""

    bytes: int
    seconds: float
    """Its length, measured by decoding it."""


class Accepted(BaseModel):
    """The answer to a new job: it is in the ledger and will end in exactly one final state."""

    model_config = ConfigDict(
        extra="allow",
    )
    id: str
    state: str
    position: int | None = None
    """Place in the queue, from 1."""

    eta_seconds: float | None = None
    """Seconds until it is probably finished."""

    trace_id: str | None = None
    links: Links


class Job(BaseModel):
    """One job and all that is known of it."""

    model_config = ConfigDict(
        extra="allow",
    )
    id: str
    state: str
    position: int | None = None
    """Place in the queue, from 1."""

    eta_seconds: float | None = None
    """Seconds until it is probably finished."""

    trace_id: str | None = None
    links: Links
    attempt: int
    progress: float
    """Share done of the running attempt, 0..1."""

    stage: str | None = None
    request: JobRequest
    outputs: list[Output]
    timings: Timings
    error: Failure | None = None
    lane: str = "stable"
    cache_hit: bool = False
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None


class Page(BaseModel):
    """Jobs, newest first."""

    model_config = ConfigDict(
        extra="allow",
    )
    jobs: list[Job]
    next_cursor: str | None = None
    """Pass it as `cursor` for the next page."""
