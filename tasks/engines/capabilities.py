"""What an engine can be asked: tasks, fields, ranges, languages. The web's door refuses the rest by name.

What two places must agree on stands here once: the door asks before a job is accepted, and an engine that
knows more (which checkpoint it has) asks again with its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from tasks.engines.models.variant import Variant
from tasks.jobs import SECONDS_MAX, ErrorClass, JobError, JobRequest

COMMON: Final = frozenset(
    {"prompt", "lyrics", "duration", "seed", "seeds", "variations", "format", "priority", "callback_url"}
    | {"task_type", "instrumental"}
)
"""Fields that mean the same whatever makes the music."""

TASKS_OF: Final[Mapping[str, frozenset[str]]] = {
    "track": frozenset({"extract", "lego", "complete"}),
    "cover_noise_strength": frozenset({"cover", "cover-nofsq"}),
    **dict.fromkeys(
        ("repaint_start", "repaint_end", "repaint_mode", "repaint_strength", "chunk_mask_mode"),
        frozenset({"repaint", "lego"}),
    ),
}
"""Fields that only some tasks have."""

LANGUAGES: Final = frozenset(
    {"ar", "az", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi"}
    | {"hr", "ht", "hu", "id", "is", "it", "ja", "ko", "la", "lt", "ms", "ne", "nl", "no", "pa", "pl"}
    | {"pt", "ro", "ru", "sa", "sk", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi"}
    | {"yue", "zh"}
)
"""ISO codes of the languages that ACE-Step 1.5 was trained to sing."""


class Refusal(NamedTuple):
    """A field that cannot be honoured, and what to do, as the rest of a sentence that the field begins."""

    field: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What one engine can be asked.

    Attributes:
        tasks: Values of `task_type`.
        fields: Fields of a request that it honours beside `COMMON`.
        ranges: Field -> the least and the largest value, where they are narrower than the request's own.
        languages: Of `vocal_language`; None where any will do.
        sample_rate: Frames a second of its sound.
        longest: Seconds of its longest song.
        sings: Whether lyrics are heard, not only their form.
        sound: Raised whenever the same request and seed sound different from before; fingerprints carry it.
        network: Whether it asks other hosts for something.
        reads: Folders and files that it reads while it makes songs, beside its model's at `load`.
        writes: Folders that it writes into, such as one of compiled code.
    """

    tasks: frozenset[str]
    fields: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    languages: frozenset[str] | None = None
    sample_rate: int = 48_000
    longest: float = SECONDS_MAX
    sings: bool = False
    sound: int = 1
    network: bool = False
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def check(self, request: JobRequest) -> None:
        """Refuse what cannot be honoured: what an engine's `admit` calls first.

        Raises:
            JobError: Each field that is wrong, and what to do.
        """
        if wrong := list(self.refusals(request)):
            words = "; ".join(f"{refusal.field} {refusal.detail}" for refusal in wrong)
            raise JobError(ErrorClass.INVALID_REQUEST, f"{words}.")

    def refusals(self, request: JobRequest) -> Iterator[Refusal]:
        """What of this request cannot be honoured; nothing where all can."""
        if request.task_type not in self.tasks:
            yield Refusal(
                "task_type", f"may be {_listed(self.tasks)} here; {request.task_type} cannot be made"
            )
        if request.duration > self.longest:
            yield Refusal("duration", f"may be {self.longest:g} s at most here")
        for name in _given(request):
            if name not in COMMON and name not in self.fields:
                yield Refusal(name, "is not honoured by the engine that is running here; leave it out")
            elif name in TASKS_OF and request.task_type not in TASKS_OF[name]:
                tasks = _listed(TASKS_OF[name])
                yield Refusal(name, f"is of the tasks {tasks}; leave it out of {request.task_type}")
            elif name in self.ranges and not _within(getattr(request, name), self.ranges[name]):
                least, most = self.ranges[name]
                yield Refusal(name, f"may be {least:g} to {most:g} here")
        yield from (refusal for refusal in _unheard(request) if refusal.field in self.fields)
        language = request.vocal_language
        if language is not None and self.languages is not None and language not in self.languages:
            yield Refusal(
                "vocal_language", f"{language!r} is not sung here; there are: {_listed(self.languages)}"
            )


def _given(request: JobRequest) -> list[str]:
    """Fields that were asked for: those whose value is not what they have when left out."""
    fields, stated = type(request).model_fields, request.model_fields_set
    return [name for name in fields if name in stated and getattr(request, name) != fields[name].default]


def _unheard(request: JobRequest) -> Iterator[Refusal]:
    """Fields that another one leaves without any effect."""
    if request.audio_cover_strength is not None and not (request.source_audio or request.audio_codes):
        yield Refusal("audio_cover_strength", "says how long a source is followed, and there is none")
    corrected = {"dcw_scaler": {None, "low", "high", "double", "pix"}, "dcw_high_scaler": {None, "double"}}
    for name, modes in corrected.items():
        if getattr(request, name) is not None and request.dcw not in modes:
            yield Refusal(name, f"does nothing with dcw {request.dcw}; leave it out")
    if request.guidance_scale is not None and request.guidance_scale <= 1.0:
        for name in ("guidance_mode", "cfg_interval_start", "cfg_interval_end"):
            if getattr(request, name) is not None:
                yield Refusal(name, "does nothing where guidance_scale is 1 or less; leave it out")


def _within(value: Any, limits: tuple[float, float]) -> bool:
    return not isinstance(value, int | float) or limits[0] <= value <= limits[1]


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


SKETCH: Final = Capabilities(
    tasks=frozenset({"text2music"}),
    fields=frozenset({"bpm", "key_scale", "time_signature"}),
)

ACE_STEP: Final = Capabilities(
    tasks=frozenset({"text2music", "cover", "cover-nofsq", "repaint", "extract", "lego", "complete"}),
    fields=frozenset(JobRequest.model_fields) - COMMON,
    languages=LANGUAGES,
    sings=True,
    sound=2,
)
"""What some ACE-Step can be asked; `of_variant` says it of one checkpoint."""


def of_variant(variant: Variant) -> Capabilities:
    """What one ACE-Step checkpoint can be asked."""
    tasks = frozenset(task for task in ACE_STEP.tasks if task.removesuffix("-nofsq") in variant.tasks)
    fields = ACE_STEP.fields
    ranges: dict[str, tuple[float, float]] = {"steps": (1, variant.most_steps)}
    if variant.turbo:  # its guidance is distilled into the weights: 1 is what it does
        fields -= {"guidance_mode", "cfg_interval_start", "cfg_interval_end"}
        ranges["guidance_scale"] = (1, 1)
    if not variant.lego_sft:
        fields -= {"global_caption"}
    return replace(ACE_STEP, tasks=tasks, fields=fields, ranges=ranges)
