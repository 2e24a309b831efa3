from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.engines.sketch.compose import compose
from tasks.engines.sketch.genres import GENRES
from tasks.engines.sketch.midi import to_midi
from tasks.engines.sketch.music.score import Score
from tasks.engines.sketch.music.theory import MODES, Key, chord, pitch_class
from tasks.engines.sketch.planning.harmony import harmonise, voicings
from tasks.engines.sketch.planning.plan import make_plan
from tasks.engines.sketch.reading.vocabulary import words_for
from tasks.jobs import SEED_MAX, JobRequest
from tests.unit.tasks.engines.sketch import measures

DURATIONS = (5.0, 7.3, 30.0, 60.0, 179.9, 600.0)


def song(prompt: str, seed: int = 1, **fields: object) -> Score:
    return compose(JobRequest(prompt=prompt, **fields), seed)


def in_genre(genre: str, seed: int = 1, **fields: object) -> Score:
    return song(f"{words_for('genre', genre)[0]} music", seed, **fields)


def last_notes(score: Score) -> dict[str, list[int]]:
    """By player, the pitches of the last chord."""
    at = measures.whole_bars(score) * measures.bar_seconds(score) - 0.05
    return {
        track.name: [note.pitch for note in track.notes if note.start >= at]
        for track in score.tracks
        if not track.drums
    }


@pytest.mark.parametrize("seconds", DURATIONS)
def test_notes_fill_the_song_and_end_within_it(seconds: float) -> None:
    score = song("rock music", duration=seconds)
    notes = [note for track in score.tracks for note in track.notes]
    assert score.seconds == seconds
    assert min(note.start for note in notes) < 0.1
    assert all(0 <= note.start < note.end < seconds for note in notes)
    assert seconds - max(note.end for note in notes) < 0.6


@pytest.mark.parametrize("genre", GENRES)
def test_something_sounds_all_the_time(genre: str) -> None:
    score = in_genre(genre, duration=45)
    spans = sorted((note.start, note.end) for track in score.tracks for note in track.notes)
    reach = 0.0
    for start, end in spans:
        assert start - reach < 2.0
        reach = max(reach, end)


@pytest.mark.parametrize("genre", GENRES)
@pytest.mark.parametrize("key", ["C major", "F# minor", "Eb major"])
def test_it_ends_on_the_tonic(genre: str, key: str) -> None:
    score = in_genre(genre, key_scale=key, duration=30)
    assert measures.sharps(score.key) == measures.sharps(key)
    tonic = pitch_class(key[0], key[1:].split(maxsplit=1)[0] if key[1] != " " else "")
    pitches = last_notes(score)
    lowest = min(pitch for notes in pitches.values() for pitch in notes)
    assert lowest % 12 == tonic
    family = {
        tonic,
        (tonic + (3 if "minor" in key else 4)) % 12,
        (tonic + 7) % 12,
        (tonic + 2) % 12,
        (tonic + 11) % 12,
    }
    assert {pitch % 12 for notes in pitches.values() for pitch in notes} <= family


def bass_by_bar(request: JobRequest, seed: int) -> list[tuple[int, list[int]]]:
    """The root of each bar's first chord, and the bass's pitches in that bar."""
    plan = make_plan(request, seed)
    place = [seat.role for seat in sorted(plan.seats, key=lambda seat: seat.role == "bass")].index("bass")
    track = [track for track in compose(request, seed).tracks if not track.drums][place]
    bar = plan.timing.beat * plan.timing.beats_per_bar
    found: dict[int, list[int]] = {}
    for note in track.notes:
        found.setdefault(int(note.start / bar + 0.05), []).append(note.pitch)
    return [(b.chords[0][1].root, found[b.index]) for b in harmonise(plan) if b.index in found]


@pytest.mark.parametrize("genre", GENRES)
def test_the_bass_plays_the_root_and_mostly_where_the_chord_begins(genre: str) -> None:
    played = bass_by_bar(JobRequest(prompt=f"{words_for('genre', genre)[0]} music"), 3)
    assert len(played) > 6
    assert np.mean([root in {pitch % 12 for pitch in pitches} for root, pitches in played]) > 0.9
    if genre not in {"reggae", "latin"}:  # their basses play around the beat
        assert np.mean([root == pitches[0] % 12 for root, pitches in played]) > 0.85


@pytest.mark.parametrize("genre", GENRES)
def test_the_melodys_long_notes_and_downbeats_belong_to_the_chord(genre: str) -> None:
    request = JobRequest(prompt=f"{words_for('genre', genre)[0]} music", duration=90)
    score, bars = compose(request, 5), harmonise(make_plan(request, 5))
    length, steps = measures.bar_seconds(score), measures.steps(score)
    inside = []
    for note in measures.melody(score).notes:
        index = int(note.start / length + 0.35 / steps)
        step = int((note.start / length - index) * steps + 0.35)
        beats = (note.end - note.start) / length * score.beats_per_bar
        if index < len(bars) and (beats > 1.6 or (step == 0 and beats > 0.4)):
            inside.append(note.pitch % 12 in bars[index].chord_at(step).classes)
    assert len(inside) > 10
    assert np.mean(inside) > 0.8


def test_the_dominant_in_minor_has_a_raised_third() -> None:
    bars = harmonise(make_plan(JobRequest(prompt="classical orchestra in A minor", duration=60), 1))
    ends = [bar.chords[-1][1] for bar in bars if bar.last]
    assert ends
    assert all(end.root == 4 and 8 in end.classes for end in ends)


def test_voices_move_little_between_chords() -> None:
    key = Key(0, MODES["major"])
    held = voicings(
        [chord(name, key, "seventh") for name in ["I", "vi", "ii", "V", "I", "IV", "V", "I"]], 50, 69, 4
    )
    moves = [abs(b - a) for before, after in pairwise(held) for a, b in zip(before, after, strict=True)]
    assert np.mean(moves) < 3
    assert max(moves) <= 6


@pytest.mark.parametrize("genre", GENRES)
def test_sections_differ_in_strength(genre: str) -> None:
    score = in_genre(genre, duration=90)
    bar = measures.bar_seconds(score)
    powers = np.zeros(measures.whole_bars(score) + 1)
    for track in score.tracks:
        for note in track.notes:
            powers[min(int(note.start / bar), len(powers) - 1)] += note.velocity**4 * 10 ** (
                track.loudness / 10
            )
    decibels = 10 * np.log10(powers[:-1] + 1)
    assert np.percentile(decibels, 90) - np.percentile(decibels, 10) > 2


@pytest.mark.parametrize("genre", ["piano solo", "funk", "ambient", "8-bit"])
def test_the_same_request_and_seed_give_the_same_score(genre: str) -> None:
    assert in_genre(genre, 9) == in_genre(genre, 9)
    assert to_midi(in_genre(genre, 9)) == to_midi(in_genre(genre, 9))


def test_what_is_not_music_in_a_request_does_not_change_the_score() -> None:
    assert song("rock music", format="mp3", priority="high", variations=3) == song("rock music")


@pytest.mark.parametrize("genre", ["piano solo", "funk", "ambient", "8-bit"])
def test_another_seed_gives_another_piece(genre: str) -> None:
    one, other = (set(measures.bars(in_genre(genre, seed, key_scale="C major", bpm=100))) for seed in (1, 2))
    assert len(one & other) <= 0.3 * len(one)  # two songs of long chords share a few bars
    melodies = [
        tuple(note.pitch for note in measures.melody(in_genre(genre, seed)).notes) for seed in range(6)
    ]
    assert len(set(melodies)) == 6


WORDS = [
    "slow",
    "fast",
    "no drums",
    "piano",
    "without bass",
    "waltz",
    "jazz",
    "in C# minor",
    "古筝",
    "没有鼓",
    "只有",
    "6/8",
    "3/4",
]
WORDS += [
    "300 bpm",
    "30bpm",
    "solo",
    "no piano",
    "no guitar",
    "not",
    "only",
    "erhu",
    "phrygian",
    "blues",
    ",",
    "strings",
    "no synth",
]


PROMPTS = st.one_of(
    st.text(min_size=5, max_size=80), st.lists(st.sampled_from(WORDS), min_size=2, max_size=9).map(" ".join)
)
TAGS = st.lists(st.sampled_from(["[verse]", "[副歌]", "la la\n", "[outro]", "["])).map("".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    prompt=PROMPTS,
    lyrics=st.one_of(st.just(""), st.text(max_size=100), TAGS),
    duration=st.floats(5, 45) | st.just(600.0),
    bpm=st.none() | st.integers(30, 300),
    key_scale=st.none() | st.sampled_from(["A minor", "Bb", "F# major", "c minor", "Cb major", "E# minor"]),
    time_signature=st.none() | st.sampled_from(["2/4", "3/4", "4/4", "6/8"]),
    seed=st.integers(0, SEED_MAX),
)
def test_every_valid_request_becomes_a_sound_score(seed: int, **fields: object) -> None:
    try:
        request = JobRequest(**fields)
    except ValueError:  # the vocabulary refuses control characters and blanks; they never reach an engine
        return
    score = compose(request, seed)
    notes = [note for track in score.tracks for note in track.notes]
    assert notes
    assert all(0 <= note.pitch <= 127 and 1 <= note.velocity <= 127 for note in notes)
    assert all(0 <= note.start < note.end <= score.seconds for note in notes)
    assert to_midi(score)
