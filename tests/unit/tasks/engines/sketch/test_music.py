"""What tells music from toys. Each bound is one that random notes in key or a loop of four bars break."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tasks.engines.sketch.compose import compose
from tasks.engines.sketch.genres import GENRES
from tasks.engines.sketch.music.score import Note, Score, Section, Track
from tasks.engines.sketch.reading.vocabulary import words_for
from tasks.jobs import JobRequest
from tests.unit.tasks.engines.sketch import measures

DISTINCT = 0.62
SIMILAR = (0.08, 0.43)  # any one song
SIMILAR_ALL = (0.24, 0.43)  # the mean over genres
STEPS = 0.35
RETURNING = 0.3


def song(genre: str, seed: int, seconds: float = 75) -> Score:
    return compose(JobRequest(prompt=f"{words_for('genre', genre)[0]} music", duration=seconds), seed)


def toy(tracks: list[Track]) -> Score:
    sections = [Section(name="verse", start=0.0, bars=28)]
    return Score(
        title="",
        seconds=60,
        bpm=120,
        beats_per_bar=4,
        key="C major",
        genre="",
        sections=sections,
        tracks=tracks,
    )


def random_notes_in_key() -> Score:
    chance = random.Random(5)
    pitches = [pitch for pitch in range(48, 85) if pitch % 12 in {0, 2, 4, 5, 7, 9, 11}]
    places = [i * 0.125 for i in range(28 * 16)]
    tracks = [
        Track(
            name="x",
            program=0,
            notes=[Note(t, t + 0.12, chance.choice(pitches), 90) for t in places if chance.random() < 0.4],
        )
        for _ in range(4)
    ]
    return toy(tracks)


def loop_of_four_bars() -> Score:
    source = compose(JobRequest(prompt="pop music", duration=60, bpm=120), 1)
    tracks = []
    for track in source.tracks:
        cut = [note for note in track.notes if 16 <= note.start < 24]
        notes = [
            Note(n.start - 16 + 8 * k, n.end - 16 + 8 * k, n.pitch, n.velocity) for k in range(7) for n in cut
        ]
        tracks.append(Track(name="x", program=0, drums=track.drums, notes=notes))
    return toy(tracks)


@pytest.mark.parametrize("genre", GENRES)
def test_bars_are_neither_a_loop_nor_noise(genre: str) -> None:
    for seed in range(3):
        score = song(genre, seed)
        assert measures.distinct_share(score) >= DISTINCT
        assert SIMILAR[0] <= measures.similarity(score) <= SIMILAR[1]


def test_over_the_genres_bars_are_as_alike_as_in_music() -> None:
    assert (
        SIMILAR_ALL[0] <= np.mean([measures.similarity(song(genre, 4)) for genre in GENRES]) <= SIMILAR_ALL[1]
    )


@pytest.mark.parametrize("genre", GENRES)
def test_melodies_move_by_step_and_their_motifs_return(genre: str) -> None:
    songs = [song(genre, seed) for seed in range(4)]
    assert np.mean([measures.steps_share(measures.melody(score).notes) for score in songs]) >= STEPS
    assert np.mean([measures.returning_share(score, measures.melody(score)) for score in songs]) >= RETURNING


def test_random_notes_in_key_are_found_out() -> None:
    noise = random_notes_in_key()
    assert measures.similarity(noise) < 0.05 < SIMILAR[0]
    assert measures.steps_share(measures.melody(noise).notes) < STEPS
    assert measures.returning_share(noise, measures.melody(noise)) < RETURNING


def test_a_loop_of_four_bars_is_found_out() -> None:
    assert measures.distinct_share(loop_of_four_bars()) < DISTINCT


@pytest.mark.parametrize("profile", measures.PROFILES)
def test_the_key_is_heard_in_the_notes(profile: str) -> None:
    wrong = []
    for genre in GENRES:
        for seed in range(4):
            score = song(genre, seed, 45)
            heard = measures.key_of(measures.pitch_weights(score), profile)
            if heard != measures.sharps(score.key):
                wrong.append((genre, seed, score.key, heard))
    assert len(wrong) <= len(GENRES) * 4 // 12, wrong


def test_notes_of_a_minor_scale_alone_are_not_heard_as_minor() -> None:
    """The control: only what a composer does with a minor scale tells it from its relative major."""
    chance = random.Random(3)
    heard = []
    for _ in range(20):
        weights = np.zeros(12)
        for note in chance.choices([9, 11, 0, 2, 4, 5, 7], k=200):
            weights[note] += chance.random()
        heard.append(measures.key_of(weights, "temperley"))
    assert heard.count("A minor") < 4


def test_genres_can_be_told_apart() -> None:
    """Songs of unseen seeds are nearer to their own genre's mean than to any other's."""
    train = {genre: [measures.features(song(genre, seed, 40)) for seed in range(4)] for genre in GENRES}
    spread = np.std([vector for vectors in train.values() for vector in vectors], axis=0) + 1e-6
    means = {genre: np.mean(vectors, axis=0) / spread for genre, vectors in train.items()}
    tries = [
        (genre, measures.features(song(genre, seed, 40)) / spread) for genre in GENRES for seed in (20, 21)
    ]
    right = [
        min(means, key=lambda name: np.linalg.norm(vector - means[name])) == genre for genre, vector in tries
    ]
    assert np.mean(right) >= 0.9
