"""From the mix to the finished song: gentle compression, loudness and a limiter that knows true peaks.

All gains are worked out on short steps of the signal, so that the samples are read once to be measured and
once to be multiplied, whatever the loudness turns out to need.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from tasks.audio.loudness import REACH, KWeighted, integrated, oversampled_peaks
from tasks.engines.sketch.sound.stem import Done
from tasks.engines.sketch.sound.tone import RATE

Stereo = npt.NDArray[np.float32]
Curve = npt.NDArray[np.float64]

TARGET = -14.0  # LUFS
CEILING = 10 ** (-1.5 / 20)  # of the true peak; half a decibel stays for the lossy formats
STEP = 96  # frames (2 ms) of one gain
COARSE = 5  # steps (10 ms) of one K-weighted power
GRID = STEP * COARSE
TENTH = 10  # coarse steps in BS.1770's 100 ms
BLOCK = GRID * 200  # frames measured at once

THRESHOLD, RATIO, KNEE, MOST = 1.0, 2.0, 8.0, 5.0  # LU over the song's loudness; dB of the knee; dB at most
ATTACK, RELEASE = 0.03, 0.3  # seconds
LIMITER_RELEASE = 0.12
LOOK = 2  # steps on either side that the limiter sees
HOT = 0.6  # share of the ceiling below which no true peak is sought
HOT_TOGETHER = 512  # steps oversampled at once
ROUNDS = 4  # of fitting the loudness to what the limiter takes


@dataclass(frozen=True)
class Reading:
    """What one pass over the mix found: a peak each STEP, a K-weighted power each GRID."""

    peaks: Curve
    powers: Curve


def padded(frames: int) -> int:
    """The length of a buffer that `master` works on: whole blocks."""
    return -(-frames // GRID) * GRID


def master(mix: Stereo, done: Done) -> None:
    """Bring `mix`, [2, padded frames], to -14 LUFS with its true peak under -1 dBTP, in place."""
    reading = _read(mix, lambda share: done(share * 0.5))
    if reading.powers.max() < 1e-12:
        return
    gains = _gains(mix, reading, lambda share: done(0.5 + share * 0.3)).astype(np.float32)
    for at in range(0, mix.shape[1], BLOCK):
        _apply(mix[:, at : at + BLOCK], gains[at // STEP : (at + BLOCK) // STEP + 1])
        done(0.8 + 0.2 * at / mix.shape[1])


def _read(mix: Stereo, done: Done) -> Reading:
    weighted = KWeighted(RATE, GRID)
    powers, peaks = [], []
    for at in range(0, mix.shape[1], BLOCK):
        block = mix[:, at : at + BLOCK]
        powers.append(weighted.powers(block))
        peaks.append(np.abs(block).reshape(2, -1, STEP).max(axis=(0, 2)))
        done(at / mix.shape[1])
    return Reading(np.concatenate(peaks).astype(np.float64), np.concatenate(powers))


def _gains(mix: Stereo, reading: Reading, done: Done) -> Curve:
    """The gain at every edge between steps: compressor, loudness and limiter together."""
    steps = np.arange(len(reading.peaks) + 1) / COARSE
    centres = np.arange(len(reading.powers)) + 0.5
    squeeze = _compressor(reading.powers)
    fine = np.interp(steps, centres, squeeze)
    loudness = TARGET - _loudness(reading.powers * squeeze**2)
    peaks = reading.peaks * np.maximum(fine[:-1], fine[1:])
    floor = CEILING * HOT / 10 ** (loudness / 20)
    peaks = _true_peaks(mix, reading.peaks, peaks, floor, lambda share: done(share * 0.6))
    for turn in range(ROUNDS):
        done(0.6 + 0.4 * turn / ROUNDS)
        gain = 10 ** (loudness / 20)
        limit = _limiter(peaks * gain)
        total = fine * gain * limit
        heard = np.interp(centres, steps, total)
        loudness += TARGET - _loudness(reading.powers * heard**2)
    return total


def _loudness(powers: Curve) -> float:
    whole = -(-len(powers) // TENTH) * TENTH
    return integrated(np.pad(powers, (0, whole - len(powers))).reshape(-1, TENTH).mean(axis=-1))


def _compressor(powers: Curve) -> Curve:
    """Gain of a soft-kneed compressor that follows the K-weighted power."""
    level = 10 * np.log10(np.maximum(powers, 1e-12)) - 0.691
    over = level - _loudness(powers) - THRESHOLD
    knee = np.clip(over + KNEE / 2, 0, KNEE) ** 2 / (2 * KNEE) + np.maximum(over - KNEE / 2, 0)
    wanted = np.minimum(knee * (1 - 1 / RATIO), MOST)
    step = GRID / RATE
    rise, fall = 1 - np.exp(-step / ATTACK), 1 - np.exp(-step / RELEASE)
    reduction, followed = 0.0, []
    for now in wanted.tolist():
        reduction += (now - reduction) * (rise if now > reduction else fall)
        followed.append(reduction)
    return np.asarray(10 ** (-np.array(followed) / 20))


def _true_peaks(mix: Stereo, raw: Curve, squeezed: Curve, floor: float, done: Done) -> Curve:
    """`squeezed` peaks, with those above `floor` replaced by what fourfold oversampling finds in them."""
    hot = np.flatnonzero(squeezed > floor)
    peaks = squeezed.copy()
    reach = np.arange(-REACH, STEP + REACH)
    for first in range(0, len(hot), HOT_TOGETHER):
        some = hot[first : first + HOT_TOGETHER]
        frames = np.clip(some[:, None] * STEP + reach, 0, mix.shape[1] - 1)
        found = np.maximum(oversampled_peaks(mix[0][frames]), oversampled_peaks(mix[1][frames]))
        peaks[some] = np.maximum(squeezed[some], found * squeezed[some] / np.maximum(raw[some], 1e-12))
        done(first / len(hot))
    return peaks


def _limiter(peaks: Curve) -> Curve:
    """Gain at every edge between steps that keeps `peaks` under the ceiling: quick in, slow out."""
    wanted = np.maximum(20 * np.log10(np.maximum(peaks, 1e-12) / CEILING), 0)
    fall = np.exp(-STEP / RATE / LIMITER_RELEASE)
    reduction, followed = 0.0, []
    for now in wanted.tolist():
        reduction = max(now, reduction * fall)
        followed.append(reduction)
    ahead = ndimage.maximum_filter1d(np.array(followed), 4 * LOOK + 1, mode="nearest")
    smooth = ndimage.uniform_filter1d(ahead, 2 * LOOK + 1, mode="nearest")
    edges = np.maximum(np.append(smooth, smooth[-1]), np.append(smooth[0], smooth))
    return np.asarray(10 ** (-edges / 20))


def _apply(block: Stereo, edges: npt.NDArray[np.float32]) -> None:
    """Multiply by the gains, in a straight line from edge to edge."""
    ramp = np.arange(STEP, dtype=np.float32) / np.float32(STEP)
    first = edges[: block.shape[1] // STEP, None]
    curve = first + (edges[1 : block.shape[1] // STEP + 1, None] - first) * ramp
    block *= curve.reshape(-1)
