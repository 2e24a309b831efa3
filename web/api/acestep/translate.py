"""ACE-Step's fields as a job of ours: honoured, left aside with a word, or refused by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, get_args

from pydantic import ValidationError

from tasks.engines.capabilities import Capabilities
from tasks.jobs import PROMPT_MIN, UPLOAD_ID, VARIATIONS_MAX, AudioFormat, JobRequest, TaskType
from web.api.acestep import samples
from web.api.acestep.fields import BY_NAME, Given, refused
from web.api.acestep.seeds import seeds_of
from web.request import words
from web.request.problems import INVALID, Problem

AUTO_SECONDS: Final = 120.0  # what ACE-Step makes where nobody says how long
METRES: Final = {"2": "2/4", "3": "3/4", "4": "4/4", "6": "6/8"}
SHORT_KEY: Final = re.compile(r"^([A-G][#b♯♭]?)(m?)$")
BLANK: Final = frozenset({"", "n/a", "none", "null", "auto", "unknown"})
WINDOWED: Final = frozenset({"repaint", "lego"})
WINDOW: Final = ("repainting_start", "repainting_end", "repaint_mode", "repaint_strength", "chunk_mask_mode")
ONLY_FOR: Final[tuple[tuple[tuple[str, ...], frozenset[str]], ...]] = (
    (WINDOW, WINDOWED),
    (("track_name",), frozenset({"extract", "lego"})),
    (("track_classes",), frozenset({"complete"})),
)
"""Fields that only some tasks read; to the others they say nothing."""
CODES: Final = re.compile(r"^\s*\d+(\s*,\s*\d+)*\s*$")
UNCHOSEN: Final = {"steps": 8, "guidance_scale": 7.0, "shift": 3.0, "vocal_language": "en"}
"""What their clients send where nobody chose anything; left out where the engine here has no such field."""
INSTRUCTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "text2music": ("Fill the audio semantic mask based on the given conditions:",),
    "repaint": ("Repaint the mask area based on the given conditions:",),
    "cover": ("Generate audio semantic tokens based on the given conditions:",),
    "cover-nofsq": ("Generate audio semantic tokens based on the given conditions:",),
    "extract": ("Extract the {TRACK} track from the audio:", "Extract the track from the audio:"),
    "lego": ("Generate the {TRACK} track based on the audio context:",
             "Generate the track based on the audio context:"),
    "complete": ("Complete the input track with {TRACKS}:", "Complete the input track:"),
}  # fmt: skip
"""What the model is told for each task (`acestep/constants.py`); a client may say the same."""
OUR_NAMES: Final = {
    "audio_duration": "duration", "inference_steps": "steps", "batch_size": "variations",
    "audio_format": "format", "repainting_start": "repaint_start", "repainting_end": "repaint_end",
    "audio_code_string": "audio_codes", "use_adg": "guidance_mode", "track_name": "track",
    "src_audio": "source_audio",    "reference_audio_path": "reference_audio",
}  # fmt: skip
THEIRS: Final = {ours: theirs for theirs, ours in OUR_NAMES.items()}


def translate(given: Given, *, tasks: Collection[str] = get_args(TaskType)) -> JobRequest:
    """What a client asks for; `given.notes` grows by what the answer has to say.

    Args:
        given: Its fields.
        tasks: What the model can do.

    Raises:
        Problem: 422, naming the field as the client calls it.
    """
    task = given.text("task_type")
    if task not in tasks:
        raise refused("task_type", f"{task[:40]!r} is not done here; these are: {', '.join(sorted(tasks))}")
    _refuse_what_is_not_done(given, task)
    ours: dict[str, Any] = {"task_type": task, "variations": _batch(given)}
    said, kept = _words(given)
    ours |= said | _music(given, kept) | seeds_of(given, ours["variations"])
    ours |= _codes(given) | _guidance(given) | _window(given, task) | _tracks(given, task)
    ours |= _audio(given, task, coded="audio_codes" in ours)
    if ours["timesteps"]:  # they stand in place of both
        ours |= {name: None for name in ("steps", "shift") if ours[name] == UNCHOSEN[name]}
    _note_what_has_no_effect(given, task)
    try:
        return JobRequest.model_validate({name: value for name, value in ours.items() if value is not None})
    except ValidationError as error:
        raise _in_their_words(error) from error


def _in_their_words(error: ValidationError) -> Problem:
    return _problem({THEIRS.get(name, name): what for name, what in words.of_fields(error).items()})


def _problem(wrong: Mapping[str, str]) -> Problem:
    detail = "; ".join(f"{field} {what}" for field, what in wrong.items()) + "."
    return Problem(INVALID, detail, errors=[{"field": name, "detail": what} for name, what in wrong.items()])


def _refuse_what_is_not_done(given: Given, task: str) -> None:
    """Refuse what would change the song and has no counterpart here; the engine refuses the rest."""
    if not _is_own_instruction(given.text("instruction"), task, given):
        raise refused("instruction", "is not followed here; leave it out, and the task's own is used")
    for name in ("analysis_only", "full_analysis_only", "extract_codes_only"):
        if given.truth(name):
            raise refused(name, "is not done here; songs are made, and audio is not taken apart")


def _is_own_instruction(text: str, task: str, given: Given) -> bool:
    if not text:
        return True
    track = given.text("track_name").upper()
    tracks = " | ".join(_classes(given)).upper()
    own = (*INSTRUCTIONS["text2music"], *INSTRUCTIONS[task])
    told = {form.replace("{TRACKS}", tracks).replace("{TRACK}", track).rstrip(":").lower() for form in own}
    return text.rstrip(": ").lower() in told


def _words(given: Given) -> tuple[dict[str, Any], samples.Example | None]:
    """Prompt and lyrics; where the language model should have written them, what stands in for it.

    Returns:
        Them, and the kept example that they are of, if they are.
    """
    prompt, lyrics, query = given.text("prompt"), given.text("lyrics"), given.text("sample_query")
    kept = None
    if query:
        given.say("sample_query: the language model is not here, so the query itself is the prompt")
        prompt = query
    elif given.truth("sample_mode") and prompt:
        given.say("sample_mode: the language model is not here, so the prompt was taken as it is")
    elif given.truth("sample_mode"):
        given.say("sample_mode: the language model is not here, so a kept example was taken")
        kept = samples.draw()
        prompt, lyrics = kept.caption, lyrics or kept.lyrics
    for name in ("thinking", "use_format"):
        if given.truth(name):
            given.say(f"{name}: the language model is not here, so it was left aside")
    return {"prompt": _long_enough(prompt, lyrics, given), "lyrics": lyrics}, kept


def _long_enough(prompt: str, lyrics: str, given: Given) -> str:
    """A prompt of a word or none; ACE-Step takes those, and ours have five characters at least."""
    if len(prompt) >= PROMPT_MIN or not (prompt or lyrics):
        return prompt
    longer = f"{prompt} music" if prompt else "a song"
    given.say(f"prompt: {longer!r} was taken, since it has to have {PROMPT_MIN} characters")
    return longer


def _music(given: Given, kept: samples.Example | None) -> dict[str, Any]:
    """What the music is like; what nobody said is the kept example's, where there is one."""
    seconds = given.number("audio_duration")
    if kept and (seconds is None or seconds <= 0):
        seconds = float(kept.seconds)
    if seconds is None or seconds <= 0:
        given.say(f"audio_duration: {AUTO_SECONDS:g} s, as nobody said how long")
        seconds = AUTO_SECONDS
    language = given.text("vocal_language").lower()
    return {
        "duration": seconds,
        "bpm": given.whole("bpm") or (kept.bpm if kept else None),
        "key_scale": _key(given.text("key_scale") or (kept.key_scale if kept else "")),
        "time_signature": _metre(given.text("time_signature") or (kept.metre if kept else "")),
        "vocal_language": None if language in BLANK else language,
        "steps": given.whole("inference_steps"),
        "guidance_scale": given.number("guidance_scale"),
        "shift": given.number("shift"),
        "format": _format(given.text("audio_format").lower()),
    }


def _key(text: str) -> str | None:
    """`Am` as `A minor`."""
    short = SHORT_KEY.match(text)
    if short:
        return f"{short[1]} {'minor' if short[2] else 'major'}"
    return None if text.lower() in BLANK else text


def _metre(text: str) -> str | None:
    return None if text.lower() in BLANK else METRES.get(text, text)


def _format(text: str) -> str:
    if text not in get_args(AudioFormat):
        raise refused("audio_format", f"{text[:40]!r} is not made here; say mp3, flac, wav or opus")
    return text


def _batch(given: Given) -> int:
    asked = given.whole("batch_size")
    if asked is None:
        return int(BY_NAME["batch_size"].default)
    taken = min(max(1, asked), VARIATIONS_MAX)
    if taken != asked:
        given.say(f"batch_size: {taken} were taken, since 1 to {VARIATIONS_MAX} songs are made at once")
    return taken


def _chosen(given: Given, name: str) -> float | None:
    """A number, where it is another than what is done anyway."""
    found = given.number(name)
    return None if found == BY_NAME[name].default else found


def _guidance(given: Given) -> dict[str, Any]:
    """How the engine goes about it; what is done anyway counts as not asked for."""
    method = given.text("infer_method").lower()
    numbers = ("cfg_interval_start", "cfg_interval_end", "audio_cover_strength", "cover_noise_strength")
    times = given.raw("timesteps")
    parts = (
        times if isinstance(times, list) else [part for part in str(times or "").split(",") if part.strip()]
    )
    return {
        "infer_method": None if method == "ode" else method,
        "guidance_mode": "adg" if given.truth("use_adg") else None,
        "timesteps": parts or None,
        "global_caption": given.text("global_caption") or None,
    } | {name: _chosen(given, name) for name in numbers}


def _codes(given: Given) -> dict[str, Any]:
    raw = given.raw("audio_code_string")
    text = ",".join(map(str, raw)) if isinstance(raw, list) else given.text("audio_code_string")
    if not text:
        return {}
    return {"audio_codes": [int(code) for code in text.split(",")] if CODES.match(text) else text}


def _audio(given: Given, task: str, *, coded: bool) -> dict[str, Any]:
    """Audio to work on and to follow: files that came along, or uploads by their id."""
    found: dict[str, Any] = dict(given.files)
    for name, ours in (("src_audio_path", "source_audio"), ("reference_audio_path", "reference_audio")):
        path = given.text(name)
        if not path:
            continue
        if ours in found:
            given.say(f"{name}: the file that came along counts")
            continue
        if not re.match(UPLOAD_ID, path):
            raise refused(name, "names a file; send the audio as multipart, or an id of POST /v1/uploads")
        found[ours] = path
    if (task == "text2music" or coded) and found.pop("source_audio", None):
        why = "the codes take its place" if coded else "text2music starts from nothing"
        given.say(f"src_audio: {why}, so it has no effect")
    if task != "text2music" and "source_audio" not in found and not coded:
        raise refused("src_audio", f"is missing; {task} works on audio: send it as multipart")
    return found


def _window(given: Given, task: str) -> dict[str, Any]:
    """Where repaint and lego work; elsewhere these fields have no effect."""
    if task not in WINDOWED:
        return {}
    end, mode = given.number("repainting_end"), given.text("repaint_mode").lower()
    mask = given.text("chunk_mask_mode").lower()
    return {
        "repaint_start": given.number("repainting_start") or 0.0,
        "repaint_end": end if end and end > 0 else None,
        "repaint_mode": None if mode == BY_NAME["repaint_mode"].default else mode,
        "repaint_strength": _chosen(given, "repaint_strength"),
        "chunk_mask_mode": None if mask == BY_NAME["chunk_mask_mode"].default else mask,
    }


def honoured(wanted: JobRequest, can: Capabilities | None) -> JobRequest:
    """The job without what the engine has not and nobody chose.

    Raises:
        Problem: 422, naming what was chosen and cannot be done, as the client calls it.
    """
    wrong = {} if can is None else {item.field: item.detail for item in can.refusals(wanted)}
    unchosen = [name for name in wrong if name in UNCHOSEN and getattr(wanted, name) == UNCHOSEN[name]]
    chosen = {THEIRS.get(name, name): what for name, what in wrong.items() if name not in unchosen}
    if chosen:
        raise _problem(chosen)
    return wanted.model_copy(update=dict.fromkeys(unchosen)) if unchosen else wanted


def _tracks(given: Given, task: str) -> dict[str, Any]:
    if task == "complete":
        return {"track": ",".join(_classes(given)) or None}
    name = given.text("track_name").lower()
    return {"track": name or None} if task in {"extract", "lego"} else {}


def _classes(given: Given) -> list[str]:
    raw = given.raw("track_classes")
    parts = raw if isinstance(raw, list) else re.split(r"[,|]", str(raw or ""))
    return [part for item in parts if (part := str(item).strip(" []'\"").lower())]


def _note_what_has_no_effect(given: Given, task: str) -> None:
    for names, tasks in ONLY_FOR:
        for name in names:
            if task not in tasks and _means_something(given, name):
                given.say(f"{name}: it has no effect on {task}")
    if unknown := given.unknown():
        given.say(f"{', '.join(unknown)}: no fields of this API, so they have no effect")


def _means_something(given: Given, name: str) -> bool:
    """Whether a field says another thing than what is done anyway: clients send all that they know."""
    raw, default = given.raw(name), BY_NAME[name].default
    said = "" if raw is None else str(raw).strip().lower()
    if said in BLANK or said in {"[]", str(default).lower()}:
        return False
    try:
        return float(said) > 0 and float(said) != default
    except ValueError:
        return True
