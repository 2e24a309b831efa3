"""What a score is like, in numbers that tell music from toys."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tasks.engines.sketch.music.score import Note, Score, Track

# Temperley 2007 (Music and Probability) and Albrecht and Shanahan 2013 (Music Perception 31), from the tonic.
PROFILES = {
    "temperley": (
        (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
        (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
    ),
    "albrecht-shanahan": (
        (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
        (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
    ),
}
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLATS = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#"}


def key_of(weights: np.ndarray, profile: str) -> str:
    """The key whose profile correlates best with twelve weights from C, its tonic spelt with sharps."""
    best = {}
    for mode, shape in zip(("major", "minor"), PROFILES[profile], strict=True):
        for tonic in range(12):
            best[f"{NOTES[tonic]} {mode}"] = np.corrcoef(np.roll(shape, tonic), weights)[0, 1]
    return max(best, key=best.__getitem__)


def sharps(key: str) -> str:
    tonic, _, mode = key.partition(" ")
    return f"{FLATS.get(tonic, tonic)} {mode}"


def pitch_weights(score: Score) -> np.ndarray:
    """Seconds times velocity of each pitch class; long notes count at most two seconds."""
    weights = np.zeros(12)
    for track in score.tracks:
        if not track.drums:
            for note in track.notes:
                weights[note.pitch % 12] += min(note.end - note.start, 2.0) * note.velocity
    return weights


def bar_seconds(score: Score) -> float:
    return 60 / score.bpm * score.beats_per_bar


def whole_bars(score: Score) -> int:
    return sum(section.bars for section in score.sections)


def bars(score: Score, *, drums: bool = False) -> list[frozenset[tuple[int, int]]]:
    """What each bar holds: (sixth or quarter of a beat, pitch) of the notes that start in it."""
    length, count = bar_seconds(score), whole_bars(score)
    per_bar = steps(score)
    found: list[set[tuple[int, int]]] = [set() for _ in range(count)]
    for track in score.tracks:
        if track.drums and not drums:
            continue
        for note in track.notes:
            step = int(note.start / length * per_bar + 0.35)  # humans and swing are late rather than early
            if step // per_bar < count:
                found[step // per_bar].add((step % per_bar, note.pitch + 1000 * track.drums))
    return [frozenset(bar) for bar in found]


def distinct_share(score: Score) -> float:
    """How many different bars there are among all, drums aside."""
    found = bars(score)
    return len(set(found)) / len(found)


def similarity(score: Score) -> float:
    """Mean overlap (Jaccard) of every two bars, drums included."""
    found = [bar for bar in bars(score, drums=True) if bar]
    pairs = [(a, b) for place, a in enumerate(found) for b in found[:place]]
    return float(np.mean([len(a & b) / len(a | b) for a, b in pairs]))


def melody(score: Score) -> Track:
    return score.tracks[0]


def steps_share(notes: list[Note]) -> float:
    """Share of melodic motions of two semitones or less."""
    moves = [abs(b.pitch - a.pitch) for a, b in pairwise(notes)]
    return sum(move <= 2 for move in moves) / max(len(moves), 1)


@dataclass(frozen=True)
class Cell:
    rhythm: tuple[int, ...]
    shape: tuple[int, ...]


def cells(score: Score, track: Track) -> list[Cell]:
    """Rhythm and direction of the melody in each bar where it has three notes or more."""
    length, steps = bar_seconds(score), score.beats_per_bar * (6 if score.time_signature == "6/8" else 4)
    by_bar: dict[int, list[Note]] = {}
    for note in track.notes:
        by_bar.setdefault(int(note.start / length + 0.35 / steps), []).append(note)
    return [
        Cell(
            tuple(int((note.start / length - bar) * steps + 0.35) for note in notes),
            tuple(int(np.sign(b.pitch - a.pitch)) for a, b in pairwise(notes)),
        )
        for bar, notes in sorted(by_bar.items())
        if len(notes) >= 3
    ]


def returning_share(score: Score, track: Track) -> float:
    """Share of the melody's bars whose rhythm and shape (but one turn) come back in another bar."""
    found = cells(score, track)
    return sum(any(_alike(a, b) for j, b in enumerate(found) if i != j) for i, a in enumerate(found)) / max(
        len(found), 1
    )


def _alike(a: Cell, b: Cell) -> bool:
    return (
        a.rhythm == b.rhythm
        and sum(x != y for x, y in zip(a.shape, b.shape, strict=True)) <= len(a.shape) // 3
    )


def features(score: Score) -> np.ndarray:
    """A score's manner in numbers: tempo, density by role, register, swing, colours of the programs."""
    seconds = score.seconds
    pitched = [track for track in score.tracks if not track.drums]
    notes = [note for track in pitched for note in track.notes]
    hits = Counter(note.pitch for track in score.tracks if track.drums for note in track.notes)
    drums = sum(hits.values())
    groups = np.zeros(16)
    for track in pitched:
        groups[track.program // 8] += sum(note.end - note.start for note in track.notes)
    return np.concatenate(
        [
            [score.bpm / 60, score.beats_per_bar, len(notes) / seconds / 4, drums / seconds / 4],
            [np.mean([note.end - note.start for note in notes]), np.std([note.pitch for note in notes]) / 12],
            [hits[drum] / max(drums, 1) for drum in (35, 36, 37, 38, 39, 40, 42, 46, 51, 63, 76)],
            groups / groups.sum(),
        ]
    )


def steps(score: Score) -> int:
    """Steps of the finest grid in a bar."""
    return score.beats_per_bar * (6 if score.time_signature == "6/8" else 4)
