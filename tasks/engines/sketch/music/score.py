"""The score: what the composer writes and the player plays.

Times are seconds from the start of the song, already swung and humanised, so that the player and the MIDI
file need no notion of feel. The tempo is constant; `bpm` and `beats_per_bar` are kept for the MIDI file's
grid and for measurements.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Note:
    """One sounding note: `start` and `end` in seconds, `pitch` 0..127, `velocity` 1..127."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(kw_only=True)
class Track:
    """One player. `program` is General MIDI (0..127); drums use the percussion map of bank 128."""

    name: str
    program: int
    notes: list[Note] = field(default_factory=list)
    drums: bool = False
    loudness: float = 0.0  # target balance in dB relative to the lead's 0 dB
    pan: float = 0.0  # -1 left .. 1 right
    room: float = 0.2  # share sent to the reverb, 0..1


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the form, in whole bars."""

    name: Literal["intro", "verse", "prechorus", "chorus", "bridge", "solo", "outro"]
    start: float  # seconds
    bars: int


@dataclass(kw_only=True)
class Score:
    """A whole piece. `seconds` is exact: the player's audio has round(seconds * 48000) frames."""

    title: str
    seconds: float
    bpm: float
    beats_per_bar: int
    time_signature: str = "4/4"  # in 6/8 a beat is a dotted quarter, two to a bar
    key: str  # such as "A minor"
    genre: str
    sections: list[Section] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    room_seconds: float = 1.2  # reverberation time of the room it is played in
