"""What a genre is made of. The genres themselves are data, in the modules beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["lead", "counter", "comp", "arp", "pad", "bass"]


@dataclass(frozen=True, slots=True)
class Player:
    """One player of a genre's band.

    `style` names a pattern of `parts.patterns`; the player joins in sections of energy `enter` or more.
    """

    role: Role
    programs: tuple[int, ...]  # General MIDI, 0..127; the song takes one
    style: str = ""
    enter: float = 0.0
    loudness: float = 0.0  # dB beside the lead
    pan: float = 0.0
    room: float = 0.2
    low: int = 0  # register; 0: what suits the role
    high: int = 0


@dataclass(frozen=True, slots=True)
class Melody:
    """How a genre sings."""

    density: float = 1.0  # notes a beat, about
    syncopation: float = 0.2  # 0..1
    leaps: float = 0.2  # share of motions wider than a step
    ornaments: float = 0.1  # share of bars with an added turn or grace


@dataclass(frozen=True, kw_only=True)
class Genre:
    """A genre's habits: everything a prompt leaves open."""

    name: str
    bpm: tuple[int, int]
    modes: Mapping[str, float]
    harmony: str  # a table of `genres.progressions`
    players: tuple[Player, ...]
    drums: str = ""  # a kit of `parts.kits`; empty: none
    metre: str = "4/4"
    colour: str = "triad"
    bars_a_chord: int = 1
    swing: float = 0.5  # where the second half of a pair falls, 0.5 straight .. 0.67 triplets
    swing_unit: int = 2  # pairs in a beat that swing: 1 pair of eighths -> 2 notes, or 4 sixteenths
    loose: float = 0.008  # seconds of human spread
    energy: float = 0.6  # 0..1, around which the sections vary
    melody: Melody = field(default_factory=Melody)
    room_seconds: float = 1.2
    drum_loudness: float = -2.0
    titles: tuple[str, ...] = ()
