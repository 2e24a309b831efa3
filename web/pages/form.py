"""The form: what should the music be?"""

from __future__ import annotations

import random
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tasks.jobs import JOB_ID, LYRICS_MAX, PROMPT_MAX, PROMPT_MIN, Job, JobRequest
from web.api.accept import accept
from web.api.jobs import find
from web.pages.render import page
from web.request import body, session, words
from web.request.problems import INVALID, Problem
from web.request.refusals import refusals
from web.request.state import app_state

EXAMPLES = (
    ("Lo-fi evening", "A calm lo-fi beat with soft electric piano, vinyl crackle and brushed drums, 78 bpm"),
    ("Bossa nova", "Warm bossa nova with nylon guitar, light percussion and a relaxed flute melody"),
    (
        "Jazz trio",
        "A playful jazz trio in F major: walking bass, brushes, an improvising piano, medium swing",
    ),
    ("Orchestral", "Epic orchestral film music that grows from quiet strings to full brass, D minor"),
    ("8-bit", "Fast 8-bit chiptune for a boss fight, 160 bpm, no drums in the intro"),
    ("古风", "古风五声音阶，古筝与竹笛，宁静悠远，慢板，没有鼓"),
    ("Waltz", "A melancholic piano waltz in A minor, 3/4, gentle and slow"),
)
NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
KEYS = tuple(f"{note} {mode}" for mode in ("major", "minor") for note in NOTES)
METRES = ("4/4", "3/4", "6/8", "2/4")
LANGUAGES = {
    "en": "English", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "es": "Spanish", "fr": "French",
    "de": "German", "it": "Italian", "pt": "Portuguese", "ru": "Russian",
}  # fmt: skip
LABELS = {
    "prompt": "The description", "lyrics": "The lyrics", "duration": "The length", "bpm": "The tempo",
    "key_scale": "The key", "time_signature": "The metre", "vocal_language": "The language",
    "seed": "The seed", "variations": "The number of variations", "format": "The file format",
}  # fmt: skip
FORMATS = {"wav": "WAV", "flac": "FLAC", "mp3": "MP3", "opus": "Opus"}
FIELDS = ("prompt", "lyrics", "duration", "bpm", "key_scale", "time_signature", "vocal_language", "seed",
          "variations", "format")  # fmt: skip
INSIDE = frozenset({"token"})  # fields of the form that say nothing of the music
ADVANCED = frozenset(FIELDS) - {"prompt", "lyrics", "duration"}
BLANK = {"duration": "60", "variations": "1", "format": "wav"}


async def show(request: Request) -> Response:
    """The empty form, or one filled from `?prompt=` or from a song's settings, `?from=<id>`."""
    values = dict(BLANK)
    if "prompt" in request.query_params:
        values["prompt"] = request.query_params["prompt"][:PROMPT_MAX]
    source = request.query_params.get("from", "")
    if JOB_ID.fullmatch(source):
        values |= values_of(await find(request, source))
    return _form(request, values, {})


async def submit(request: Request) -> Response:
    """Take the form; go to the song's page, or show the form again with what is wrong."""
    given: dict[str, str] = {}
    try:
        with refusals(request) as lengths:
            given |= await _read(request)
            lengths["prompt"] = len(given.get("prompt", ""))
            accepted = await accept(request, parse(given))
    except Problem as problem:
        if not given:
            raise
        return _refused(request, given, problem)
    return RedirectResponse(app_state(request).public.path(f"/songs/{accepted.job.id}"), 303)


async def _read(request: Request) -> dict[str, str]:
    session.refuse_foreign_site(request)
    signer = app_state(request).signer
    given = await body.read_form(request)
    session.require_token(session.current(request, signer), given.get("token", ""), signer)
    return given


def _refused(request: Request, given: dict[str, str], wrong: Problem) -> Response:
    """The form once more, as it was filled."""
    if wrong.kind is INVALID:
        faults = {item["field"]: item["detail"] for item in wrong.extra["errors"]}
        others = [f"{name} {faults.pop(name)}" for name in list(faults) if name not in LABELS]
        if others:
            faults[""] = "; ".join(others) + "."
    else:
        faults = {"": wrong.detail}
    response = _form(request, given, faults, wrong.kind.status)
    response.headers.update(wrong.headers)
    return response


def parse(given: dict[str, str]) -> JobRequest:
    """The job that the form asks for; what is left empty is the engine's choice.

    Raises:
        Problem: 422, naming the fields.
    """
    try:
        return JobRequest.model_validate(
            {name: value for name, value in given.items() if name not in INSIDE and value.strip()}
        )
    except ValidationError as error:
        raise words.problem_of(error) from error


def values_of(job: Job) -> dict[str, str]:
    """What a job asked for as the form's values; a seed that was drawn for it is left open again."""
    drawn = {"seed"} if job.fingerprint is None else set()
    known = job.request.model_dump(include=set(FIELDS) - drawn, exclude_none=True)
    known["duration"] = f"{job.request.duration:g}"
    return {name: str(value) for name, value in known.items()}


def _form(request: Request, values: dict[str, str], faults: dict[str, str], status: int = 200) -> Response:
    context: dict[str, Any] = {
        "path": "/",
        "labels": LABELS,
        "values": values,
        "faults": faults,
        "examples": EXAMPLES,
        "placeholder": random.choice(EXAMPLES)[1],  # noqa: S311  nothing depends on it
        "keys": KEYS,
        "metres": METRES,
        "languages": LANGUAGES,
        "formats": FORMATS,
        "prompt_min": PROMPT_MIN,
        "prompt_max": PROMPT_MAX,
        "lyrics_max": LYRICS_MAX,
        "open_advanced": any(values.get(name, "") != BLANK.get(name, "") for name in ADVANCED)
        or bool(ADVANCED & faults.keys()),
    }
    return page(request, "form.html", status, **context)
