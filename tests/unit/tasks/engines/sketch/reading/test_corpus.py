"""The share of prompts that are read right; `python -m bench reading` prints it."""

from __future__ import annotations

import pytest

from tasks.engines.sketch.compose import compose
from tasks.jobs import JobRequest
from tests.unit.tasks.engines.sketch.corpus import HELD_OUT, OPEN, Row, misread, rows

ALL = (*OPEN, *HELD_OUT)


def right(found: list[Row]) -> float:
    return sum(not misread(row) for row in found) / len(found)


def is_chinese(text: str) -> bool:
    return any("一" <= character <= "鿿" for character in text)


@pytest.mark.parametrize("name", OPEN)
def test_a_language_is_read_right(name: str) -> None:
    wrong = {row["says"]: faults for row in rows(name) if (faults := misread(row))}
    assert len(wrong) <= 0.03 * len(rows(name)), wrong


def test_prompts_that_were_never_tuned_on_are_read_right() -> None:
    assert right(rows("held_out")) >= 0.88


def test_the_whole_corpus_is_read_right() -> None:
    assert right([row for name in ALL for row in rows(name)]) >= 0.97


def test_the_corpus_is_large_in_both_languages_and_says_nothing_twice() -> None:
    said = [row["says"] for name in ALL for row in rows(name)]
    assert len(said) == len(set(said)) >= 300
    assert len(rows("held_out")) >= 60
    chinese = sum(map(is_chinese, said))
    assert min(chinese, len(said) - chinese) >= 140


def test_the_check_sees_a_wrong_reading_of_every_field() -> None:
    wrong: list[Row] = [
        {"says": "rock at 120 bpm", "bpm": 121, "genre": "rock"},
        {"says": "rock at 120 bpm", "genre": "rock"},
        {"says": "slow rock", "tempo": "fast", "genre": "rock"},
        {"says": "slow rock", "genre": "rock"},
        {"says": "rock in A minor", "key": "A major", "genre": "rock"},
        {"says": "rock in 3/4", "metre": "4/4", "genre": "rock"},
        {"says": "rock, no drums", "drums": True, "genre": "rock"},
        {"says": "rock with piano", "with": ["organ"], "genre": "rock"},
        {"says": "rock without piano", "genre": "rock"},
        {"says": "rock music", "genre": "pop"},
        {"says": "sad rock", "mood": ["happy"], "genre": "rock"},
        {"says": "sad rock", "unmood": ["sad"], "genre": "rock"},
        {"says": "rock, not pop", "unlike": ["metal"], "genre": "rock"},
        {"says": "solo piano accordion", "with": ["accordion"], "alone": False},
    ]
    assert [row["says"] for row in wrong if not misread(row)] == []
    assert not misread({"says": "slow rock", "any": ["tempo"], "genre": "rock"})


@pytest.mark.parametrize("name", ALL)
def test_a_title_is_in_the_language_of_its_prompt(name: str) -> None:
    for row in rows(name)[::4]:
        title = compose(JobRequest(prompt=row["says"], duration=8), 1).title
        letters = title.replace(" ", "").replace("·", "").replace("'", "").replace("-", "")
        assert letters.isalpha(), (row["says"], title)
        if not is_chinese(row["says"]):
            assert letters.isascii(), (row["says"], title)


@pytest.mark.parametrize(
    ("prompt", "chinese"),
    [
        ("a slow piece for erhu (二胡) in D minor", False),
        ("迷幻电音 trance，120bpm", True),
        ("静かなピアノ、夜の雨", False),
        ("不是140bpm，而是90bpm", True),
    ],
)
def test_a_title_follows_the_language_that_most_of_the_prompt_is_in(prompt: str, chinese: bool) -> None:
    assert is_chinese(compose(JobRequest(prompt=prompt, duration=8), 1).title) is chinese
