from __future__ import annotations

import pytest

from tasks.engines.sketch.genres import GENRES
from tasks.engines.sketch.planning.form import lay_out, share
from tasks.engines.sketch.planning.plan import SongPlan, describe, make_plan
from tasks.engines.sketch.reading.lyrics import Sung, read_form
from tasks.engines.sketch.reading.vocabulary import words_for
from tasks.jobs import JobRequest

DURATIONS = (5.0, 7.3, 30.0, 60.0, 179.9, 600.0)
LYRICS = """[Intro]

[Verse 1]
I walk the line
and back again
[Pre-Chorus]
rising
[Chorus x2]
sing it out
[Bridge - soft]
hush
[Guitar Solo]
[Outro]
"""


def plan(prompt: str, seed: int = 1, **fields: object) -> SongPlan:
    return make_plan(JobRequest(prompt=prompt, **fields), seed)


def test_the_lyrics_tags_are_the_form() -> None:
    names = [part.name for part in plan("pop song", lyrics=LYRICS, duration=120).parts]
    assert names == ["intro", "verse", "prechorus", "chorus", "bridge", "outro"]


def test_chinese_tags_are_the_form() -> None:
    lyrics = "[前奏]\n[主歌]\n春天\n[导歌]\n来\n[副歌]\n花开\n【间奏】\n[桥段]\n[尾奏]"
    names = [part.name for part in plan("一首流行歌曲", lyrics=lyrics, duration=120).parts]
    assert names == ["intro", "verse", "prechorus", "chorus", "solo", "bridge", "outro"]


def test_lines_are_counted_to_their_section() -> None:
    assert read_form("[verse]\none\ntwo\n\n[chorus]\nthree") == (Sung("verse", 2), Sung("chorus", 1))


def test_a_longer_verse_gets_more_bars() -> None:
    parts = lay_out(48, 0.6, (Sung("verse", 12), Sung("verse", 1)))
    assert parts[0].bars > parts[1].bars


def test_more_sections_than_bars_keep_the_last() -> None:
    parts = lay_out(3, 0.6, (*[Sung("verse", 1)] * 40, Sung("outro", 1)))
    assert [part.name for part in parts] == ["verse", "verse", "outro"]


@pytest.mark.parametrize("bars", [1, 2, 5, 9, 17, 31, 64, 99, 400])
def test_sections_fill_the_bars_exactly(bars: int) -> None:
    parts = lay_out(bars, 0.6)
    assert sum(part.bars for part in parts) == bars
    assert all(part.bars >= 1 for part in parts)


def test_shares_are_whole_and_none_is_empty() -> None:
    assert share(7, [0.1, 5, 0.1]) == [1, 5, 1]


def test_choruses_are_stronger_than_verses_and_the_last_is_the_strongest() -> None:
    parts = plan("pop song", duration=180).parts
    verses = [part.energy for part in parts if part.name == "verse"]
    choruses = [part.energy for part in parts if part.name == "chorus"]
    assert min(choruses) > max(verses)
    assert choruses[-1] == max(choruses) > choruses[0]


@pytest.mark.parametrize("seconds", DURATIONS)
@pytest.mark.parametrize("genre", GENRES)
def test_the_last_chord_has_time_to_ring_but_no_silence(seconds: float, genre: str) -> None:
    timing = plan(f"{words_for('genre', genre)[0]} music", duration=seconds).timing
    ring = seconds - timing.last_beat * timing.beat
    assert 1.2 < ring < 6.5
    assert timing.last_beat == timing.bars * timing.beats_per_bar


@pytest.mark.parametrize("bpm", [30, 47, 97, 123, 250, 300])
@pytest.mark.parametrize("seconds", DURATIONS)
def test_a_tempo_asked_for_is_kept(bpm: int, seconds: float) -> None:
    assert plan("rock song", bpm=bpm, duration=seconds).timing.bpm == bpm
    assert plan("rock song", bpm=bpm, duration=seconds).timing.last_beat * 60 / bpm < seconds - 1


def test_an_open_tempo_is_near_the_genres_own() -> None:
    for name, genre in GENRES.items():
        for seed in range(5):
            bpm = plan(f"{words_for('genre', genre.name)[0]} music", seed).timing.bpm
            assert genre.bpm[0] * 0.9 <= bpm <= genre.bpm[1] * 1.1, name


def test_fast_is_faster_and_slow_is_slower() -> None:
    bpm = [
        plan(f"{word} rock song").timing.bpm
        for word in ("very slow", "slow", "mid-tempo", "fast", "very fast")
    ]
    assert bpm == sorted(bpm)
    assert len(set(bpm)) == 5


def test_instruments_asked_for_play_and_those_refused_do_not() -> None:
    programs = {seat.program for seat in plan("pop with trumpet and harp, no piano, no synth").seats}
    assert {56, 46} <= programs
    assert not programs & {0, 1, 2, 80, 81, 89, 50}


def test_no_bass_leaves_the_bass_out() -> None:
    assert "bass" not in {seat.role for seat in plan("funk without bass").seats}


def test_no_drums_leaves_the_drums_out_and_drums_bring_them_in() -> None:
    assert plan("rock, no drums").kit == ""
    assert plan("piano solo with drums").kit


@pytest.mark.parametrize(
    ("prompt", "programs"),
    [
        ("solo violin", {40}),
        ("only piano", {0}),
        ("只有古筝的音乐", {107}),
        ("just flute and harp", {73, 46}),
    ],
)
def test_alone_means_nobody_else(prompt: str, programs: set[int]) -> None:
    found = plan(prompt)
    assert {seat.program for seat in found.seats} == programs
    assert not found.kit


@pytest.mark.parametrize(
    ("prompt", "genre"),
    [
        ("something calm", "piano solo"),
        ("erhu and pipa", "Chinese pentatonic"),
        ("distorted guitar and drums", "rock"),
        ("dreamy pads", "ambient"),
        ("hello there", "pop"),
        ("史诗般的音乐", "cinematic"),
    ],
)
def test_mood_and_instruments_suggest_a_genre(prompt: str, genre: str) -> None:
    assert plan(prompt).genre.name == genre


def test_what_was_understood_is_said_in_one_line() -> None:
    found = plan("calm lo-fi with piano in A minor, 80 bpm, no drums")
    assert describe(found) == "calm, lo-fi, 80 bpm, A minor, piano, no drums"
