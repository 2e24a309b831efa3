"""The fields of ACE-Step's requests: their names, what each is worth here, and how a value is read.

A value is looked for in the body under each of its names, then in `param_obj`, then in the first of `metas`,
`meta`, `metadata`, `user_metadata`, `userMetadata` that is there (objects, or JSON text); the first that is
not null counts. Numbers come as text too; text that is no number counts as absent, and the answer says so.
What cannot be what the client means (a list for a prompt, metas that are no object) is refused by its name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from web.request.problems import INVALID, Problem

NESTED: Final = ("metas", "meta", "metadata", "user_metadata", "userMetadata")
TRUE: Final = frozenset({"1", "true", "yes", "y", "on"})
FALSE: Final = frozenset({"0", "false", "no", "n", "off", ""})


class Verdict(StrEnum):
    """What becomes of a field, as the conformance table says it."""

    HONOURED = "honoured"
    PLANNER = "needs the language model; without it left aside, and the answer says so"
    NO_EFFECT = "taken; it has no effect, as in ACE-Step's own server"
    TUNES_PLANNER = "taken; it only tunes the language model"
    ENGINE = "honoured where the engine can, else refused by name"
    REFUSED = "refused by name, unless it says what is done anyway"
    UPLOAD = "the id of an upload; paths on the server are refused by name"


@dataclass(frozen=True)
class Field:
    """One field: `default` is what is done anyway where the field is refused."""

    name: str
    verdict: Verdict
    aliases: tuple[str, ...] = ()
    default: Any = None
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All its names, in the order in which they are looked for."""
        return (self.name, *self.aliases)


H, E, P, N, T, R, U = (
    Verdict.HONOURED, Verdict.ENGINE, Verdict.PLANNER, Verdict.NO_EFFECT, Verdict.TUNES_PLANNER,
    Verdict.REFUSED, Verdict.UPLOAD,
)  # fmt: skip
FIELDS: Final = (
    Field("prompt", H, ("caption",), note="fewer than 5 characters are lengthened, and the answer says so"),
    Field("lyrics", H),
    Field("global_caption", E),
    Field("instruction", R, note="the task's own"),
    Field("thinking", P, default=False),
    Field("sample_mode", P, ("sampleMode",), False, "a kept example, or the query itself, takes its place"),
    Field("sample_query", P, ("sampleQuery", "description", "desc"), note="it is the prompt then"),
    Field("use_format", P, ("useFormat", "format"), default=False),
    Field("analysis_only", R, ("analysisOnly",), default=False),
    Field("full_analysis_only", R, ("fullAnalysisOnly",), default=False),
    Field("extract_codes_only", R, ("extractCodesOnly",), default=False),
    Field("model", R, ("model_name", "modelName", "dit_model", "ditModel"), note="one that is served"),
    Field("bpm", H, note="0 is automatic"),
    Field("batch_size", H, ("batchSize",), 2, "1 to 8; more is cut, and the answer says so"),
    Field(
        "seed",
        H,
        default=-1,
        note="a number, or several with commas; counts if use_random_seed is false, else the answer says so",
    ),
    Field("use_random_seed", H, ("useRandomSeed",), True),
    Field("key_scale", H, ("keyscale", "keyScale", "key")),
    Field("time_signature", H, ("timesignature", "timeSignature"), note="2, 3, 4, 6 or 2/4, 3/4, 4/4, 6/8"),
    Field(
        "audio_duration",
        H,
        ("duration", "audioDuration", "target_duration", "targetDuration"),
        note="0, less, or null is automatic: 120 s without the language model",
    ),
    Field("vocal_language", H, ("vocalLanguage", "language"), "en"),
    Field("inference_steps", H, ("inferenceSteps",), note="default: the engine's"),
    Field("guidance_scale", H, ("guidanceScale",), note="default: the engine's"),
    Field("infer_method", E, ("inferMethod",), "ode"),
    Field("task_type", H, ("taskType",), "text2music", "one that the engine does"),
    Field("reference_audio_path", U, ("ref_audio_path", "referenceAudioPath", "refAudioPath")),
    Field("src_audio_path", U, ("ctx_audio_path", "sourceAudioPath", "srcAudioPath", "ctxAudioPath")),
    Field("audio_code_string", E, ("audioCodeString", "audio_codes"), ""),
    Field("repainting_start", H, default=0.0, note="repaint and lego; before 0 extends the song"),
    Field("repainting_end", H, note="repaint and lego; null or less than 0 is the end"),
    Field("repaint_mode", E, default="balanced", note="repaint and lego"),
    Field("repaint_strength", E, default=0.5, note="repaint and lego"),
    Field("repaint_latent_crossfade_frames", N),
    Field("repaint_wav_crossfade_sec", N),
    Field("chunk_mask_mode", E, default="auto", note="repaint and lego"),
    Field("audio_cover_strength", E, ("audioCoverStrength", "cover_strength", "coverStrength"), 1.0),
    Field("cover_noise_strength", E, ("coverNoiseStrength",), 0.0),
    Field("track_name", H, ("trackName",), note="extract and lego"),
    Field("track_classes", H, ("trackClasses", "instruments"), note="complete"),
    Field("shift", H, note="default: the engine's"),
    Field("use_adg", E, default=False),
    Field("cfg_interval_start", E, default=0.0),
    Field("cfg_interval_end", E, default=1.0),
    Field("timesteps", E),
    Field("audio_format", H, ("audioFormat",), "mp3", "mp3, flac, wav, opus; aac and wav32 are refused"),
    Field("lm_model_path", T),
    Field("lm_backend", T),
    Field("lm_temperature", T),
    Field("lm_cfg_scale", T),
    Field("lm_top_k", T),
    Field("lm_top_p", T),
    Field("lm_negative_prompt", T),
    Field("lm_repetition_penalty", T),
    Field(
        "use_cot_caption", P, ("cot_caption", "cot-caption"), True, "true is the default, and needs no word"
    ),
    Field("use_cot_language", P, ("cot_language", "cot-language"), True, "true is the default"),
    Field("allow_lm_batch", T, ("allowLmBatch", "parallel_thinking")),
    Field("constrained_decoding", T, ("constrainedDecoding", "constrained")),
    Field("constrained_decoding_debug", T, ("constrainedDecodingDebug",)),
    Field("is_format_caption", N, ("isFormatCaption",)),
    Field("use_tiled_decode", N, ("useTiledDecode",)),
)
BY_NAME: Final = {item.name: item for item in FIELDS}
FILES: Final = {
    "src_audio": "source_audio", "ctx_audio": "source_audio",
    "ref_audio": "reference_audio", "reference_audio": "reference_audio",
}  # fmt: skip
"""Files of a multipart body, and what each is here."""
OTHERS: Final = frozenset({"ai_token", "param_obj", *NESTED, *FILES})
UNREAD: Final = frozenset({"genres"})  # stands in the metas of their answers, which clients send back


@dataclass
class Given:
    """The fields of one request, read leniently; `notes` collects what the answer has to say.

    Args:
        body: The fields as they came.
        files: Uploads that came with them: `source_audio`, `reference_audio`.
    """

    body: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in FILES:
            if self.body.get(name):
                raise refused(name, "is a file of a multipart form; text cannot stand for it")
        self._param = self._nested("param_obj")
        found = {name: inner for name in NESTED if (inner := self._nested(name))}
        self._metas = next(iter(found.values()), {})
        self._places = (self.body, self._param, self._metas)
        first, *others = found or [""]
        for name in others:
            self.say(f"{name}: it has no effect beside {first}, which counts alone")

    def _nested(self, name: str) -> Mapping[str, Any]:
        """An object inside the body, or the JSON text of one."""
        value = self.body.get(name)
        if not value or (isinstance(value, str) and not value.strip()):
            return {}
        found = as_object(value)
        if found is None:
            raise refused(name, "has to be an object, or the JSON text of one")
        return found

    def say(self, note: str) -> None:
        """Let the answer say this, once."""
        if note not in self.notes:
            self.notes.append(note)

    def raw(self, name: str) -> Any:
        """The value of a field under any of its names, as it came; None where it is absent."""
        for place in self._places:
            for key in BY_NAME[name].names:
                if place.get(key) is not None:
                    return place[key]
        return None

    def _single(self, name: str, kind: str) -> Any:
        """The value of a field that has one: neither a list nor an object, nor a field sent twice."""
        value = self.raw(name)
        if isinstance(value, list | dict):
            raise refused(name, f"has to be {kind}, and one alone")
        return value

    def text(self, name: str) -> str:
        """A field's text, trimmed; the default where it is absent or blank."""
        value = self._single(name, "text")
        if isinstance(value, bool):
            raise refused(name, "has to be text")
        words = "" if value is None else str(value).strip()
        return words or str(BY_NAME[name].default or "")

    def truth(self, name: str) -> bool:
        """Whether a field says yes; a word that says neither counts as no, with a note."""
        value = self._single(name, "true or false")
        if value is None or value == "":
            return bool(BY_NAME[name].default)
        if isinstance(value, bool | int | float):
            return bool(value)
        word = str(value).strip().lower()
        if word not in TRUE and word not in FALSE:
            self.say(f"{name}: {word[:40]!r} is neither true nor false, so it was taken as false")
        return word in TRUE

    def number(self, name: str) -> float | None:
        """A field's number; what is none counts as absent, with a note."""
        value = self._single(name, "a number")
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            found = math.nan if isinstance(value, bool) else float(str(value).strip())
        except ValueError:
            found = math.nan
        if math.isfinite(found):
            return found
        self.say(f"{name}: {str(value)[:40]!r} is no number, so it was left out")
        return None

    def whole(self, name: str) -> int | None:
        """A field's whole number; a fraction counts as absent, with a note."""
        found = self.number(name)
        if found is None or found == int(found):
            return None if found is None else int(found)
        self.say(f"{name}: {found:g} is no whole number, so it was left out")
        return None

    def unknown(self) -> list[str]:
        """Names in the body that are no fields of this API; ACE-Step's server does not read them either."""
        known = {name for item in FIELDS for name in item.names}
        inner = {name for place in (self._param, self._metas) for name in place} - known - UNREAD
        return sorted({name for name in self.body if name not in known | OTHERS} | inner)[:20]


def as_object(value: Any) -> Mapping[str, Any] | None:
    """An object, or the object that a text is in JSON; None for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def refused(field: str, why: str) -> Problem:
    """The refusal of one field by its name."""
    return Problem(INVALID, f"{field} {why}.", errors=[{"field": field, "detail": why}])
