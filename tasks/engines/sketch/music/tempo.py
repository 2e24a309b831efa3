"""The tempo, and where the last chord falls: whole bars, then a chord that rings out to the exact end."""

from __future__ import annotations

import math
from dataclasses import dataclass

RING_WISHED = 2.8  # seconds the last chord has, about
RING_LEAST, RING_LEAST_SHORT = 1.9, 1.3
SLOWEST, FASTEST = 40.0, 220.0
BEND = 0.04  # how far an open tempo may move so that the bars fit; twice that in the shortest songs


@dataclass(frozen=True, slots=True)
class Timing:
    """The grid: `bars` whole bars, or fewer beats than one bar in the shortest songs."""

    bpm: float
    beats_per_bar: int
    bars: int
    last_beat: int  # where the last chord falls, in beats from the start

    @property
    def beat(self) -> float:
        """Seconds of a beat."""
        return 60.0 / self.bpm


def keep(seconds: float, bpm: float, beats_per_bar: int) -> Timing:
    """The grid at a tempo that has to stay as it is."""
    least = RING_LEAST if seconds >= 12 else RING_LEAST_SHORT
    beat = 60.0 / bpm
    bars = math.floor((seconds - least) / (beat * beats_per_bar) + 1e-9)
    if bars >= 1:
        return Timing(bpm, beats_per_bar, bars, bars * beats_per_bar)
    return Timing(bpm, beats_per_bar, 1, max(0, math.floor((seconds - least) / beat)))


def fit(seconds: float, bpm: float, beats_per_bar: int, ring: float = RING_WISHED) -> Timing:
    """The grid at a tempo near `bpm` whose bars leave the last chord a good time to ring."""
    bpm = min(max(bpm, SLOWEST), FASTEST)
    bend = BEND if seconds >= 15 else 2 * BEND
    near = range(math.ceil(bpm * (1 - bend)), math.floor(bpm * (1 + bend)) + 1) or (round(bpm),)
    return min(
        (keep(seconds, float(tempo), beats_per_bar) for tempo in near),
        key=lambda t: _cost(t, seconds, bpm, ring),
    )


def _cost(timing: Timing, seconds: float, bpm: float, wished: float) -> float:
    ring = seconds - timing.last_beat * timing.beat
    uneven = 0.0 if timing.bars % 4 == 0 else 0.5 if timing.bars % 2 == 0 else 1.0
    return abs(ring - wished) + uneven + abs(timing.bpm - bpm) / bpm * 10
