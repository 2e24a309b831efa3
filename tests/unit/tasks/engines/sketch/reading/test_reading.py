# ruff: noqa: E501 - a table reads best with one row a line
from __future__ import annotations

import pytest

from tasks.engines.sketch.music.theory import MODES, pitch_class
from tasks.engines.sketch.reading import Wish, read
from tasks.jobs import JobRequest


def wish(prompt: str, **fields: object) -> Wish:
    return read(JobRequest(prompt=prompt, **fields))


def fact(said: Wish, name: str) -> object:
    """One fact of a wish in the words of the tables below."""
    if name == "slow":
        return said.speed < 1
    if name == "fast":
        return said.speed > 1
    if name == "family":
        return MODES[said.mode].family if said.mode else None
    if name.startswith("plays "):
        return name.removeprefix("plays ") in said.wanted
    if name.startswith("refuses "):
        return name.removeprefix("refuses ") in said.unwanted
    if name.startswith("feels "):
        return name.removeprefix("feels ") in said.moods
    return getattr(said, name)


PROMPTS: list[tuple[str, dict[str, object]]] = [
    ("A calm lo-fi beat with soft piano, 80 bpm", {"genre": "lo-fi", "bpm": 80, "plays piano": True, "feels calm": True}),
    ("not too fast, calm piano", {"fast": False, "plays piano": True, "refuses piano": False, "feels calm": True}),
    ("drumless jazz with saxophone", {"drums": False, "genre": "jazz trio", "plays saxophone": True}),
    ("Epic orchestral trailer in the key of F# minor, 120bpm", {"tonic": 6, "family": "minor", "bpm": 120, "genre": "orchestral"}),
    ("a major hit for the summer, upbeat pop", {"tonic": None, "mode": None, "genre": "pop", "fast": True}),
    ("a minor problem, sad rock ballad", {"tonic": None, "mode": None, "genre": "rock", "feels sad": True}),
    ("happy ukulele tune in C major, no drums", {"tonic": 0, "family": "major", "drums": False, "plays ukulele": True}),
    ("Slow blues in E, electric guitar, without piano", {"tonic": 4, "slow": True, "refuses piano": True, "plays electric guitar": True}),
    ("jazz waltz, brushes and upright bass", {"metre": "3/4", "genre": "jazz trio", "plays double bass": True}),
    ("a melancholic song in a minor key", {"tonic": None, "family": "minor", "feels sad": True}),
    ("pop song in A minor", {"tonic": 9, "family": "minor"}),
    ("Bb major swing at 140 BPM", {"tonic": 10, "family": "major", "bpm": 140, "genre": "jazz trio"}),
    ("no drums, bass, or strings; a gentle harp", {"drums": False, "refuses bass": True, "refuses strings": True, "plays harp": True}),
    ("no drums, calm piano", {"drums": False, "plays piano": True}),
    ("techno without bass but with piano", {"refuses bass": True, "plays piano": True, "genre": "house"}),
    ("industrial metal with double bass drums at 150", {"genre": "metal", "drums": True, "bpm": 150, "plays double bass": False}),
    ("a cappella choir, sacred", {"alone": True, "plays choir": True}),
    ("宁静的音乐，羽调", {"mode": "minor pentatonic", "feels calm": True}),
    ("drum and bass, tempo 174", {"genre": "drum and bass", "bpm": 174, "plays drums": False}),
    ("solo violin, D dorian", {"alone": True, "plays violin": True, "tonic": 2, "mode": "dorian"}),
    ("rock with a guitar solo", {"alone": False, "genre": "rock", "plays guitar": True}),
    ("8-bit game music, very fast", {"genre": "8-bit", "fast": True}),
    ("An Irish jig in 6/8, fiddle and flute", {"genre": "folk", "metre": "6/8", "plays fiddle": True, "plays flute": True}),
    ("not sad, cheerful ska", {"feels sad": False, "feels happy": True, "genre": "reggae"}),
    ("not only drums but also brass", {"drums": True, "plays brass": True, "alone": False}),
    ("Andante in E flat major for bassoon", {"tempo": 84, "tonic": 3, "plays bassoon": True, "plays bass": False}),
    ("降B大调 快速的摇滚，没有鼓", {"tonic": 10, "family": "major", "fast": True, "genre": "rock", "drums": False}),
    ("古风，二胡和古筝，慢板", {"genre": "Chinese pentatonic", "plays erhu": True, "plays guzheng": True, "tempo": 60}),
    ("无鼓的钢琴曲，悲伤", {"drums": False, "genre": "piano solo", "feels sad": True}),
    ("每分钟90拍的爵士，A小调", {"bpm": 90, "genre": "jazz trio", "tonic": 9, "family": "minor"}),
    ("不要太快的音乐，温柔的吉他", {"fast": False, "plays guitar": True, "feels gentle": True}),
    ("欢快的圆舞曲，升F小调", {"metre": "3/4", "genre": "waltz", "tonic": 6, "family": "minor", "feels happy": True}),
    ("电子舞曲,128bpm,不要钢琴,热情", {"bpm": 128, "refuses piano": True, "genre": "house", "feels energetic": True}),
    ("只有古琴的冥想音乐", {"alone": True, "plays guzheng": True, "genre": "ambient"}),
    ("３／４拍的民谣，Ｃ大调", {"metre": "3/4", "genre": "folk", "tonic": 0}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "name", "expected"),
    [(prompt, name, value) for prompt, facts in PROMPTS for name, value in facts.items()],
)
def test_a_prompt_is_understood_as_a_person_would(prompt: str, name: str, expected: object) -> None:
    assert fact(wish(prompt), name) == expected


def test_there_are_enough_prompts_and_facts_in_both_languages() -> None:
    assert len(PROMPTS) >= 25
    assert sum(len(facts) for _, facts in PROMPTS) >= 50
    assert sum(any("一" <= c <= "鿿" for c in prompt) for prompt, _ in PROMPTS) >= 8


def test_explicit_fields_win_over_the_prompt() -> None:
    said = wish("fast rock at 160 bpm in C minor, 3/4", bpm=90, key_scale="D major", time_signature="4/4")
    assert (said.bpm, said.tonic, said.mode, said.metre) == (90, 2, "major", "4/4")


def test_a_key_field_without_a_mode_keeps_the_mode_of_the_prompt() -> None:
    said = wish("a song in G minor", key_scale="Eb")
    assert (said.tonic, said.mode) == (3, "minor")


def test_a_modal_prompt_keeps_its_mode_under_a_key_field_of_the_same_family() -> None:
    assert wish("dorian folk tune", key_scale="D minor").mode == "dorian"


@pytest.mark.parametrize("letter", "CDEFGAB")
@pytest.mark.parametrize(("sign", "word"), [("", ""), ("#", " sharp"), ("b", " flat")])
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_every_key_is_read_in_every_spelling(letter: str, sign: str, word: str, mode: str) -> None:
    expected = (pitch_class(letter, sign), mode)
    for spelling in (f"{letter}{sign} {mode}", f"{letter}{word} {mode}"):
        said = wish(f"pop in {spelling}, warm")
        assert (said.tonic, said.mode) == expected
    chinese = {"#": "升", "b": "降", "": ""}[sign] + letter + {"major": "大调", "minor": "小调"}[mode]
    said = wish(f"流行歌，{chinese}")
    assert (said.tonic, said.mode) == expected


@pytest.mark.parametrize("prompt", ["999 bpm noise", "a beat of 12bpm", "opus 120", "24/44 time"])
def test_numbers_that_are_no_tempo_and_no_metre_are_left_alone(prompt: str) -> None:
    said = wish(prompt)
    assert (said.bpm, said.metre) == (None, None)


def test_a_range_of_tempi_means_its_middle() -> None:
    assert wish("house, 120-128 bpm").bpm == 124


@pytest.mark.parametrize("prompt", ["warm lo-fi", "warm lo fi", "warm lofi", "warm Lo-Fi"])
def test_hyphens_and_capitals_do_not_matter(prompt: str) -> None:
    assert wish(prompt).genre == "lo-fi"
