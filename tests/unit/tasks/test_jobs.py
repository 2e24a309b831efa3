"""The vocabulary: ids, requests, what bad input is told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.jobs import JOB_ID, LYRICS_MAX, JobRequest, JobState, ids, new_job_id

WORLDS_LINE_ENDS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"]


def test_ids_sort_by_time_and_name_their_cell() -> None:
    made = [new_job_id("b") for _ in range(500)]
    assert made == sorted(made)
    assert len(set(made)) == 500
    assert all(JOB_ID.match(one) and one.startswith("b_") for one in made)


def test_an_id_cannot_be_guessed_from_its_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_800_000_000_000_000_000)
    first, second = (_number(new_job_id("a")) for _ in range(2))
    assert second - first > 2**40


def _number(job_id: str) -> int:
    number = 0
    for character in job_id.split("_")[1]:
        number = number * 32 + ids.BASE32.index(character)
    return number


def test_a_request_needs_only_a_prompt_and_is_trimmed() -> None:
    request = JobRequest(prompt="  calm piano\r\nslow  ")
    assert request.prompt == "calm piano\nslow"
    assert (request.duration, request.format, request.variations) == (60.0, "wav", 1)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": "    hm    "}, "prompt"),
        ({"prompt": "x" * 2001}, "prompt"),
        ({"prompt": "calm\x00 piano"}, "prompt"),
        ({"duration": -1}, "duration"),
        ({"duration": float("nan")}, "duration"),
        ({"duration": 601}, "duration"),
        ({"bpm": 10}, "bpm"),
        ({"key_scale": "H major"}, "key_scale"),
        ({"seed": -1}, "seed"),
        ({"variations": 9}, "variations"),
        ({"format": "aiff"}, "format"),
        ({"tempo": 90}, "tempo"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JobRequest.model_validate({"prompt": "calm piano"} | fields)
    assert {".".join(map(str, one["loc"])) for one in caught.value.errors()} == {field}


@pytest.mark.parametrize(("given", "kept"), [("a minor", "a minor"), ("B♭ major", "Bb major"), ("F#", "F#")])
def test_keys_are_read_with_either_kind_of_accidental(given: str, kept: str) -> None:
    assert JobRequest(prompt="calm piano", key_scale=given).key_scale == kept


def test_three_states_are_final() -> None:
    assert [state.value for state in JobState if state.final] == ["succeeded", "failed", "cancelled"]


CODES = {"list": (list(range(25)), (0, 1, 2)), "text": ("<|audio_code_5|>" * 25, (5, 5, 5))}


@pytest.mark.parametrize("form", CODES)
def test_audio_codes_come_as_numbers_or_in_ace_steps_notation(form):
    codes, first = CODES[form]
    text = json.dumps({"prompt": "A calm song", "audio_codes": codes})
    made = JobRequest.model_validate_json(text, strict=True)
    assert made.audio_codes[:3] == first
    assert JobRequest.model_validate_json(made.model_dump_json(), strict=True) == made


@pytest.mark.parametrize("codes", [["1"] * 25, [64_000] * 25, "<|audio_code_7|>, and more" * 25, [1] * 3])
def test_what_are_no_audio_codes_is_refused(codes):
    text = json.dumps({"prompt": "A calm song", "audio_codes": codes})
    with pytest.raises(ValidationError):
        JobRequest.model_validate_json(text, strict=True)


CONTRADICTIONS = [
    {"instrumental": True, "lyrics": "la la"},
    {"seeds": [1, 2]},
    {"seed": 1, "seeds": [1]},
    {"lora": "choir", "loras": [{"name": "band"}]},
    {"loras": [{"name": "band"}, {"name": "band"}]},
    {"timesteps": [1.0, 0.5], "steps": 2},
    {"timesteps": [0.5, 0.7]},
    {"sampler": "heun", "infer_method": "sde"},
    {"cfg_interval_start": 0.8, "cfg_interval_end": 0.2},
    {"repaint_strength": 0.2, "repaint_mode": "aggressive"},
    {"retake_seed": 5},
]


@pytest.mark.parametrize("fields", CONTRADICTIONS)
def test_fields_of_which_one_would_overrule_the_other_are_refused(fields):
    with pytest.raises(ValidationError):
        JobRequest.model_validate({"prompt": "A calm song"} | fields)


PIECES = st.lists(st.tuples(st.text("ab 中é", max_size=5), st.sampled_from(WORLDS_LINE_ENDS)), max_size=8)


@given(PIECES)
def test_every_line_end_of_the_world_is_one_and_counts_as_one(pieces):
    written = "x" + "".join(text + end for text, end in pieces) + "x"
    plain = "x" + "".join(text + "\n" for text, _ in pieces) + "x"
    if "\r" + "\n" in "".join(end for _, end in pieces) and written.count("\r\n") != sum(
        end == "\r\n" for _, end in pieces
    ):
        return  # a lone CR before a lone LF is one line end, too
    assert JobRequest(prompt="a calm song", lyrics=written).lyrics == plain


def test_lyrics_are_counted_as_they_are_kept():
    lines = "a\r\n" * (LYRICS_MAX // 2)
    assert len(JobRequest(prompt="a calm song", lyrics=lines).lyrics) == LYRICS_MAX - 1


def test_what_word_processors_leave_in_a_text_is_read_as_they_meant_it():
    given_text = "\ufeffSoft\x1eedged pi\x1fano\x0bslow\x0cand low"
    assert JobRequest(prompt=given_text).prompt == "Soft-edged piano\nslow\nand low"
