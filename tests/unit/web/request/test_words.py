from __future__ import annotations

import pytest
from pydantic import ValidationError

from tasks.jobs import JobRequest
from web.request import words


def complaint(**fields: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        JobRequest.model_validate({"prompt": "a calm song"} | fields, strict=True)
    return words.of_fields(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("prompt", " abc ", "needs at least 5 characters; describe the music"),
        ("prompt", "a" * 2_001, "has 2,001 characters; 2,000 are allowed"),
        ("prompt", 5, "has to be text"),
        ("prompt", "bell \x07 sound", "contains the control character U+0007; remove it"),
        ("lyrics", "a" * 10_001, "has more than 10,000 characters"),
        ("duration", -1.0, "has to be 5 or more"),
        ("duration", 601.0, "has to be 600 or less"),
        ("duration", "60", "has to be a number"),
        ("duration", float("nan"), "has to be a finite number"),
        ("bpm", 120.5, "has to be a whole number"),
        ("variations", 9, "has to be 8 or less"),
        ("format", "ogg", "has to be one of 'wav', 'flac', 'mp3' or 'opus'"),
        ("shift", 0.0, "has to be more than 0"),
        ("tempo", 120, "is not a field of a job; check its spelling"),
        ("key_scale", "H", "is a note and optionally a mode, such as 'A minor', 'F# major' or 'Bb'"),
    ],
)
def test_each_fault_is_said_in_plain_words(field, value, said):
    assert complaint(**{field: value}) == {field: said}


def test_a_missing_prompt_is_named():
    with pytest.raises(ValidationError) as caught:
        JobRequest.model_validate({})
    assert words.of_fields(caught.value) == {"prompt": "is missing"}


def test_all_faults_are_told_at_once():
    assert set(complaint(duration=1.0, bpm=5, format="aiff")) == {"duration", "bpm", "format"}


def test_broken_json_is_a_problem_of_its_own():
    with pytest.raises(ValidationError) as caught:
        JobRequest.model_validate_json(b'{"prompt": ')
    problem = words.problem_of(caught.value)
    assert problem.kind.uri == "/problems/invalid_json"
    assert "line 1" in problem.detail
