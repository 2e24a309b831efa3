"""Notes, modes and chords. Pitch classes are 0..11 from C; pitches are MIDI's 0..127."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
# The spelling with fewer accidentals: F# minor but Eb minor, Db major but C# minor.
USUAL = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}


@dataclass(frozen=True, slots=True)
class Mode:
    """A scale: seven notes for the harmony, those the melody uses, and whether its third is minor."""

    name: str
    notes: tuple[int, ...]
    melody: tuple[int, ...]

    @property
    def family(self) -> str:
        """`major` or `minor`, by the third."""
        return "minor" if 3 in self.notes else "major"


_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_DORIAN, _MIXOLYDIAN = (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 10)
_LYDIAN, _PHRYGIAN = (0, 2, 4, 6, 7, 9, 11), (0, 1, 3, 5, 7, 8, 10)
MODES = {
    mode.name: mode
    for mode in (
        Mode("major", _MAJOR, _MAJOR),
        Mode("minor", _MINOR, _MINOR),
        Mode("dorian", _DORIAN, _DORIAN),
        Mode("mixolydian", _MIXOLYDIAN, _MIXOLYDIAN),
        Mode("lydian", _LYDIAN, _LYDIAN),
        Mode("phrygian", _PHRYGIAN, _PHRYGIAN),
        Mode("major pentatonic", _MAJOR, (0, 2, 4, 7, 9)),
        Mode("minor pentatonic", _MINOR, (0, 3, 5, 7, 10)),
        Mode("major blues", _MAJOR, (0, 2, 3, 4, 7, 9)),
        Mode("minor blues", _MINOR, (0, 3, 5, 6, 7, 10)),
    )
}


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic (0..11) and a mode."""

    tonic: int
    mode: Mode

    @property
    def name(self) -> str:
        """Such as `F# minor`: the tonic as it is usually spelt, and the family."""
        return f"{USUAL[self.mode.family][self.tonic]} {self.mode.family}"

    @property
    def scale(self) -> tuple[int, ...]:
        """The pitch classes of the melody's scale."""
        return tuple((self.tonic + note) % 12 for note in self.mode.melody)


@dataclass(frozen=True, slots=True)
class Chord:
    """A root and the intervals above it, in semitones."""

    root: int
    intervals: tuple[int, ...]
    symbol: str

    @property
    def classes(self) -> tuple[int, ...]:
        """The pitch classes, root first."""
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    @property
    def dominant(self) -> bool:
        """Whether it carries a major third and leads on by it."""
        return self.symbol.startswith("V") and not self.symbol.startswith("VI")


QUALITIES = {
    "maj7": (0, 4, 7, 11),
    "maj9": (0, 4, 7, 11, 14),
    "m7b5": (0, 3, 6, 10),
    "add9": (0, 4, 7, 14),
    "sus4": (0, 5, 7),
    "sus2": (0, 2, 7),
    "°": (0, 3, 6),
    "°7": (0, 3, 6, 9),
    "6": (0, 4, 7, 9),
    "5": (0, 7, 12),
}
SEVENTHS = {"7": 10, "9": 10}
ROMAN = re.compile(r"^([b#]?)(VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)([^/]*)(?:/(.+))?$")
DEGREES = {"I": 0, "II": 1, "III": 2, "IV": 3, "V": 4, "VI": 5, "VII": 6}


@cache
def chord(symbol: str, key: Key, colour: str = "triad") -> Chord:
    """The chord a Roman numeral names in a key.

    Args:
        symbol: Degree in the mode's own scale; capitals are major, small letters minor; a suffix such as
            `7`, `maj7`, `sus4`; `V7/ii` leads to another degree. `V` is major in minor keys too.
        key: Where the degrees start.
        colour: What chords without a suffix get: triad, seventh or ninth; power is a triad, whose third
            others than the hand that strums it sing.

    Raises:
        ValueError: The symbol is not a Roman numeral of this kind.
    """
    match = ROMAN.match(symbol)
    if match is None:
        raise ValueError(f"{symbol!r} is not a chord, such as 'I', 'bVII' or 'V7/ii'")
    accidental, numeral, suffix, target = match.groups()
    if target:
        there = chord(target, key)
        return Chord((there.root + 7) % 12, (0, 4, 7, 10), symbol)
    degree = DEGREES[numeral.upper()]
    root = (key.tonic + key.mode.notes[degree] + {"": 0, "b": -1, "#": 1}[accidental]) % 12
    return Chord(root, _intervals(numeral, suffix, degree, key, colour), symbol)


def _intervals(numeral: str, suffix: str, degree: int, key: Key, colour: str) -> tuple[int, ...]:
    if suffix in QUALITIES:
        return QUALITIES[suffix]
    triad = (0, 4, 7) if numeral.isupper() else (0, 3, 7)
    if suffix in SEVENTHS:
        return (*triad, SEVENTHS[suffix], 14) if suffix == "9" else (*triad, SEVENTHS[suffix])
    if colour in {"triad", "power"}:
        return triad
    notes = key.mode.notes
    seventh = (notes[(degree + 6) % 7] - notes[degree]) % 12
    if numeral == "V":
        seventh = 10
    # A ninth a semitone above the root grates, and one on the dominant hides the key, as does the major
    # seventh of a tonic whose root is left to the bass: that is the third degree's chord.
    ninth = (notes[(degree + 1) % 7] - notes[degree]) % 12
    if colour == "ninth" and ninth == 2 and numeral != "V":
        return (*triad, 14) if numeral == "I" else (*triad, seventh, 14)
    return (*triad, seventh)


def local_scale(scale: Collection[int], chord_classes: Sequence[int]) -> tuple[int, ...]:
    """The scale with the chord's foreign notes in place of their neighbours.

    A raised note, such as the third of the dominant in minor, replaces the one below it; a lowered one the
    one above. The chord's own notes stay. `chord_classes` begin with the root.
    """
    notes = set(scale)
    for note in chord_classes:
        if note not in notes:
            raised = (note - chord_classes[0]) % 12 in {4, 6, 11}
            replaced = (note + (-1 if raised else 1)) % 12
            notes -= {replaced} - set(chord_classes)
            notes.add(note)
    return tuple(sorted(notes))


def nearest(pitch: float, classes: Collection[int], low: int = 0, high: int = 127) -> int:
    """The pitch of one of the classes nearest to `pitch`, within low..high where that is possible."""
    around = range(max(low, 0), min(high, 127) + 1)
    fitting = [p for p in around if p % 12 in classes] or [p for p in range(128) if p % 12 in classes]
    return min(fitting, key=lambda p: (abs(p - pitch), p))


def climb(pitch: int, steps: int, classes: Collection[int]) -> int:
    """`steps` notes of the scale up (or down) from a pitch."""
    direction = 1 if steps > 0 else -1
    for _ in range(abs(steps)):
        pitch += direction
        while pitch % 12 not in classes:
            pitch += direction
    return pitch


def pitch_class(letter: str, accidental: str = "") -> int:
    """The class of a letter with #, b or nothing."""
    return (LETTERS[letter.lower()] + {"": 0, "#": 1, "b": -1}[accidental]) % 12
