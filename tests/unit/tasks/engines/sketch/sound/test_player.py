"""A hand-made score as sound."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.audio.loudness import integrated_loudness, true_peak
from tasks.engines.sketch.music.score import Note, Score, Track
from tasks.engines.sketch.sound.font import Font, default_font
from tasks.engines.sketch.sound.player import play
from tasks.engines.sketch.sound.room import impulse_response

RATE = 48_000
SHA = """
import hashlib, sys
from tests.unit.tasks.engines.sketch.sound.test_player import a_score, sound
print(hashlib.sha256(sound(a_score(6.0)).tobytes()).hexdigest())
"""


def a_score(seconds: float, *, bpm: float = 120.0) -> Score:
    """Eighth notes, chords, a bass and a beat in C major, the last chord held to the end."""
    beat = 60 / bpm
    beats = int((seconds - 2) / beat)
    last = beats * beat
    lead = [Note(n * beat, (n + 0.9) * beat, 72 + (0, 2, 4, 7, 5, 4, 2, 0)[n % 8], 90) for n in range(beats)]
    chords = [Note(n * beat, (n + 4) * beat, key, 70) for n in range(0, beats, 4) for key in (60, 64, 67)]
    bass = [Note(n * beat, (n + 0.8) * beat, (36, 43)[n % 2], 95) for n in range(beats)]
    beatbox = [Note(n * beat, n * beat + 0.1, (36, 38)[n % 2], 100) for n in range(beats)]
    lead.append(Note(last, seconds, 72, 90))
    chords += [Note(last, seconds, key, 70) for key in (60, 64, 67)]
    tracks = [
        Track(name="Piano", program=0, notes=lead),
        Track(name="Strings", program=48, notes=chords, loudness=-4, pan=-0.3, room=0.4),
        Track(name="Bass", program=33, notes=bass, loudness=-3),
        Track(name="Drums", program=0, notes=beatbox, drums=True, loudness=-2),
    ]
    return Score(
        title="", seconds=seconds, bpm=bpm, beats_per_bar=4, key="C major", genre="test", tracks=tracks
    )


def sound(score: Score) -> np.ndarray:
    return play(Font(default_font()), score, lambda share, words: None)


@pytest.mark.parametrize("seconds", [5.0, 5.00001, 7.123456, 11.99999])
def test_a_song_has_exactly_its_frames(seconds: float) -> None:
    samples = sound(a_score(seconds))
    assert samples.shape == (2, round(seconds * RATE))
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()


def test_a_song_is_as_loud_as_others_are() -> None:
    samples = sound(a_score(10.0))
    assert integrated_loudness(samples, RATE) == pytest.approx(-14, abs=1)
    assert true_peak(samples) < -1


def test_the_last_chord_dies_away() -> None:
    samples = sound(a_score(10.0))
    tail = samples[:, -2 * RATE :]
    levels = [float(np.sqrt(np.square(part).mean())) for part in np.array_split(tail, 8, axis=1)]
    assert levels[0] > 0.02
    assert sorted(levels[2:], reverse=True) == levels[2:]
    assert np.abs(samples[:, -10:]).max() < 1e-3


def test_equal_scores_give_equal_bytes_whatever_the_number_of_threads() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": "7"}
    run = subprocess.run(
        [sys.executable, "-c", SHA], env=environment, capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[6],
    )  # fmt: skip
    assert run.stdout.strip() == hashlib.sha256(sound(a_score(6.0)).tobytes()).hexdigest()


def test_another_velocity_is_another_song() -> None:
    score = a_score(6.0)
    other = a_score(6.0)
    other.tracks[0].notes[0] = replace(other.tracks[0].notes[0], velocity=60)
    assert not np.array_equal(sound(score), sound(other))


def test_progress_comes_often_and_only_grows() -> None:
    shares: list[float] = []
    play(Font(default_font()), a_score(20.0), lambda share, words: shares.append(share))
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.05
    assert shares[-1] > 0.95
    assert max(np.diff(shares)) < 0.1


def test_what_progress_raises_stops_the_player() -> None:
    def stop(share: float, words: str) -> None:
        if share > 0.3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        play(Font(default_font()), a_score(6.0), stop)


def test_a_score_without_notes_is_silence_and_no_error() -> None:
    score = a_score(5.0)
    score.tracks.clear()
    assert not sound(score).any()


@pytest.mark.parametrize("seconds", [0.5, 1.2, 3.0])
def test_a_room_dies_by_60_decibels_in_its_time(seconds: float) -> None:
    response = impulse_response(seconds).astype(np.float64)
    assert np.square(response).sum(axis=1) == pytest.approx([1, 1], rel=0.35)
    energy = np.cumsum(np.square(response).sum(axis=0)[::-1])[::-1]
    fall = 10 * np.log10(energy / energy[0] + 1e-12)
    early, late = (int(np.argmax(fall < -drop)) / RATE for drop in (10, 30))
    assert (late - early) * 3 == pytest.approx(seconds, rel=0.35)
    assert abs(np.corrcoef(response)[0, 1]) < 0.5, "the sides differ, so that the room is wide"
