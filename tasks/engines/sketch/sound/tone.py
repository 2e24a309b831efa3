"""One key of one zone, long enough for the longest note on it: the sample at its pitch, filtered and shaped.

Notes on the same key differ only in loudness and length, so they are cut from one tone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import signal

from tasks.engines.sketch.sound.font import Envelope, Font, Sweep, Zone

RATE = 48_000
Mono = npt.NDArray[np.float32]

RELEASE_MIN, RELEASE_MAX = 0.06, 3.0  # seconds; shorter clicks, longer is below hearing
CUT_OFF = 0.012  # seconds in which an exclusive neighbour silences a note
FULL_FALL = 100.0  # dB that an envelope falls in its decay or release time
AUDIBLE_FALL = 75.0  # dB of a release that are played
OPEN = 18_000.0  # Hz from which a low-pass is left out
PART = 16_384  # frames interpolated at once, so that the temporaries stay in the processor's cache


@dataclass(frozen=True)
class Tone:
    """`raw` is the sample at its pitch, `level` its envelope, `shaped` both; `release` follows a note's end.

    All are [frames].
    """

    raw: Mono
    shaped: Mono
    level: Mono
    release: Mono

    def note(self, held: int, *, cut: bool = False) -> tuple[Mono, Mono]:
        """The held part and the release of a note that is held for so many frames."""
        held = min(held, len(self.shaped))
        if held == len(self.raw) or held == 0:
            return self.shaped[:held], self.raw[:0]
        fall = CUT if cut else self.release
        tail = self.raw[held : held + len(fall)]
        return self.shaped[:held], tail * (fall[: len(tail)] * self.level[held - 1])


CUT: Mono = np.linspace(1, 0, round(CUT_OFF * RATE), dtype=np.float32)


def make(font: Font, zone: Zone, key: int, held: int) -> Tone:
    """The tone of `key`, for notes held up to `held` frames."""
    release = _release(zone.envelope.release)
    step = 2 ** ((key - zone.root) * zone.semitones_per_key / 12) * zone.rate / RATE
    raw = _filtered(_at_pitch(font.frames(zone), zone.loop, step, held + len(release)), zone.sweep)
    level = _level(_scaled(zone, key), min(held, len(raw)))
    return Tone(raw=raw, shaped=raw[: len(level)] * level, level=level, release=release)


def _at_pitch(source: Mono, loop: tuple[int, int] | None, step: float, frames: int) -> Mono:
    """Read `source` at `step` source frames a frame, looping, by cubic interpolation.

    Third-order Hermite of four points: Niemitalo, "Polynomial Interpolators for High-Quality Resampling".
    """
    if loop is None:
        frames = max(min(frames, int((len(source) - 1) / step)), 1)
    source = _unrolled(source, loop, int(frames * step) + 4)
    out = np.empty(frames, np.float32)
    fixed = round(step * 2**32)  # positions in 32.32 fixed point: the same wherever a part begins
    for first in range(0, frames, PART):
        last = min(first + PART, frames)
        position = np.arange(first, last, dtype=np.int64) * fixed
        out[first:last] = _hermite(source, position >> 32, _fraction(position))
    return out


def _fraction(position: npt.NDArray[np.int64]) -> Mono:
    return (position & 0xFFFFFFFF).astype(np.float32) * np.float32(2.0**-32)


def _hermite(source: Mono, index: npt.NDArray[np.int64], x: Mono) -> Mono:
    """Interpolate between source[index + 1] and source[index + 2]."""
    before, here, there, after = (source[n:].take(index) for n in range(4))
    slope = (there - before) * np.float32(0.5)
    bend = here - there
    cubic = slope + (after - here) * np.float32(0.5) + bend + bend
    square = -bend - slope - cubic
    return np.asarray(((cubic * x + square) * x + slope) * x + here)


def _unrolled(source: Mono, loop: tuple[int, int] | None, frames: int) -> Mono:
    """`source` with a frame before it and its loop, or silence, after it: `frames` and four points' reach."""
    need = frames + 4
    if loop is None or loop[1] > len(source):
        parts = [source[:need], np.zeros(max(need - len(source), 0), np.float32)]
    else:
        turn = source[loop[0] : loop[1]]
        parts = [source[: loop[1]], np.resize(turn, max(need - loop[1], 0))]
    return np.concatenate([np.zeros(1, np.float32), *parts])


def _filtered(raw: Mono, sweep: Sweep) -> Mono:
    """Through the low-pass; where its envelope moves it, a cross-fade of its two ends stands for the way."""
    settled = _low_pass(raw, sweep.settled, sweep.resonance)
    if sweep.peak == sweep.settled or min(sweep.peak, sweep.settled) >= OPEN:
        return settled
    points = np.cumsum([0, sweep.attack, sweep.hold, max(sweep.decay, 0.01)]) * RATE
    near = int(min(points[-1], len(raw)))
    share = np.interp(np.arange(near), points, [0, 1, 1, 0]).astype(np.float32)
    settled[:near] += (_low_pass(raw[:near], sweep.peak, sweep.resonance) - settled[:near]) * share
    return settled


def _low_pass(raw: Mono, hertz: float, resonance: float) -> Mono:
    """Two poles with `resonance` dB at the corner, at unity below it. Source: Bristow-Johnson's cookbook."""
    if hertz >= OPEN:
        return raw.copy()
    w = 2 * np.pi * hertz / RATE
    alpha = np.sin(w) / (2 * max(10 ** ((resonance - 3.01) / 20), 0.5))
    b = (1 - np.cos(w)) / 2
    sos = np.array([[b, 2 * b, b, 1 + alpha, -2 * np.cos(w), 1 - alpha]]) / (1 + alpha)
    return np.asarray(signal.sosfilt(sos.astype(np.float64), raw), dtype=np.float32)


def _scaled(zone: Zone, key: int) -> Envelope:
    """The volume envelope at `key`: high keys fade sooner where the font says so."""
    e, away = zone.envelope, 60 - key
    return Envelope(
        delay=e.delay,
        attack=e.attack,
        hold=e.hold * 2 ** (away * zone.hold_by_key / 1200),
        decay=e.decay * 2 ** (away * zone.decay_by_key / 1200),
        sustain=e.sustain,
        release=e.release,
    )


def _level(e: Envelope, frames: int) -> Mono:
    """The envelope up to the note's end: attack linear in amplitude, decay linear in dB."""
    rise_at, hold_at = round(e.delay * RATE), round((e.delay + e.attack) * RATE)
    decay_at = hold_at + round(e.hold * RATE)
    seconds_down = e.decay * e.sustain / FULL_FALL
    level = np.ones(frames, np.float32)
    level[:rise_at] = 0
    rise = np.linspace(0, 1, max(hold_at - rise_at, 1), endpoint=False, dtype=np.float32)
    level[rise_at:hold_at] = rise[: max(min(hold_at, frames) - rise_at, 0)]
    down = max(round(seconds_down * RATE), 1)
    down_now = max(min(decay_at + down, frames) - decay_at, 0)
    level[decay_at : decay_at + down] = _fall(e.sustain, down, down_now)
    level[decay_at + down :] = 10 ** (-e.sustain / 20)
    return level


@lru_cache(maxsize=256)
def _release(seconds: float) -> Mono:
    seconds = min(max(seconds, RELEASE_MIN), RELEASE_MAX)
    frames = round(seconds * AUDIBLE_FALL / FULL_FALL * RATE)
    return _fall(AUDIBLE_FALL, frames, frames)


def _fall(decibels: float, frames: int, first: int) -> Mono:
    """The first frames of a fall by so many dB in so many frames, linear in dB."""
    a_frame = -decibels / 20 * np.log(10) / frames
    return np.asarray(np.exp(a_frame * np.arange(first)), dtype=np.float32)
