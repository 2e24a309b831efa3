"""How loud audio is: integrated loudness and true peak of ITU-R BS.1770-4.

Our own rather than pyloudnorm, because both are measured block by block on long songs, and because mastering
needs the powers themselves, not only their mean.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import signal

Samples = npt.NDArray[np.float32]
Powers = npt.NDArray[np.float64]

STEP_SECONDS = 0.1  # the gating blocks of 400 ms overlap by three quarters
STEPS_PER_BLOCK = 4
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS, LU
OFFSET = -0.691  # of the K-weighted mean square, so that a 997 Hz sine of 0 dBFS in one channel is -3.01 LUFS
SILENT = -144.0
BLOCK_STEPS = 40  # 100 ms steps weighted at once

OVERSAMPLING = 4
REACH = 8  # frames that the interpolating filter looks to either side
SPAN = 512  # frames oversampled together
NEAR_PEAK = 0.6  # share of the highest sample below which no true peak is sought


def k_weighting(rate: int) -> npt.NDArray[np.float64]:
    """The K filter for a sample rate as two second-order sections.

    Annex 1 of BS.1770 gives it at 48 kHz; the analogue shapes behind it are from Mansbridge, Finn and Reiss,
    "Implementation and Evaluation of Autonomous Multi-track Fader Control" (AES 132).
    """
    return np.array([_shelf(rate), _high_pass(rate)])


def _shelf(rate: int) -> list[float]:
    k = np.tan(np.pi * 1681.974450955533 / rate)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    b = [(high + band * k / q + k * k) / a0, 2 * (k * k - high) / a0, (high - band * k / q + k * k) / a0]
    return [*b, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]


def _high_pass(rate: int) -> list[float]:
    k = np.tan(np.pi * 38.13547087602444 / rate)
    q = 0.5003270373238773
    a0 = 1 + k / q + k * k
    return [1, -2, 1, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]


class KWeighted:
    """K-weighted powers of a stream, step by step.

    Args:
        rate: Sample rate in Hz.
        step: Frames a power is the mean of.
    """

    def __init__(self, rate: int, step: int) -> None:
        self._sos, self._step = k_weighting(rate), step
        self._state: npt.NDArray[np.float64] | None = None

    def powers(self, block: Samples) -> Powers:
        """Sum over channels of the mean squares of [channels, n * step] frames, as [n]."""
        if self._state is None:
            self._state = np.zeros((len(self._sos), len(block), 2))
        weighted, self._state = signal.sosfilt(self._sos, block, axis=-1, zi=self._state)
        squares = np.square(weighted, out=weighted).reshape(len(block), -1, self._step)
        return np.asarray(squares.mean(axis=-1).sum(axis=0))


def integrated(steps: Powers) -> float:
    """Integrated loudness in LUFS of K-weighted powers of 100 ms each, gated twice as in BS.1770-4."""
    if len(steps) < STEPS_PER_BLOCK:
        steps = np.resize(steps, STEPS_PER_BLOCK)
    blocks = np.lib.stride_tricks.sliding_window_view(steps, STEPS_PER_BLOCK).mean(axis=-1)
    loud = blocks[_lufs(blocks) > ABSOLUTE_GATE]
    if not len(loud):
        return SILENT
    gate = float(_lufs(loud.mean())) + RELATIVE_GATE
    return float(_lufs(loud[_lufs(loud) > gate].mean()))


def _lufs(power: npt.ArrayLike) -> Powers:
    return np.asarray(OFFSET + 10 * np.log10(np.maximum(power, 1e-14)))


def integrated_loudness(samples: Samples, rate: int) -> float:
    """Integrated loudness in LUFS of [channels, frames]; -144 where there is nothing above the gate."""
    step = round(rate * STEP_SECONDS)
    whole = samples.shape[-1] // step * step
    if not whole:
        samples, whole = np.pad(samples, ((0, 0), (0, step - samples.shape[-1]))), step
    weighted = KWeighted(rate, step)
    size = step * BLOCK_STEPS
    parts = (samples[:, at : min(at + size, whole)] for at in range(0, whole, size))
    return integrated(np.concatenate([weighted.powers(part) for part in parts]))


def _interpolator() -> npt.NDArray[np.float32]:
    """A windowed sinc that puts three frames between each two; flat to 0.05 dB up to 18 kHz at 48 kHz."""
    taps = signal.firwin(2 * REACH * OVERSAMPLING + 1, 1 / OVERSAMPLING, window=("kaiser", 5.0))
    return np.asarray(taps * OVERSAMPLING, dtype=np.float32)


INTERPOLATOR = _interpolator()


def oversampled_peaks(windows: Samples) -> npt.NDArray[np.float32]:
    """The highest true peak of each of [n, REACH + frames + REACH], edges left out, as [n]."""
    fine = signal.upfirdn(INTERPOLATOR, windows, up=OVERSAMPLING, axis=-1)
    inner = fine[:, 2 * REACH * OVERSAMPLING : -2 * REACH * OVERSAMPLING]
    return np.asarray(np.abs(inner).max(axis=-1))


def true_peak(samples: Samples) -> float:
    """True peak in dBTP of [channels, frames], by fourfold oversampling where the samples are high."""
    highest = max((float(np.abs(channel).max(initial=0.0)) for channel in samples), default=0.0)
    if highest <= 0:
        return SILENT
    peak = max(_channel_peak(channel, highest * NEAR_PEAK) for channel in samples)
    return 20 * float(np.log10(max(peak, highest)))


def _channel_peak(channel: Samples, floor: float) -> float:
    """The true peak of one channel among its spans that reach `floor`."""
    peak = 0.0
    for first in range(0, len(channel), SPAN * 256):
        part = channel[max(first - REACH, 0) : first + SPAN * 256 + REACH]
        before = REACH if first == 0 else 0
        after = SPAN * 256 + 2 * REACH - before - len(part)
        part = np.pad(part, (before, after))
        spans = np.lib.stride_tricks.sliding_window_view(part, SPAN + 2 * REACH)[::SPAN]
        high = spans[np.abs(spans).max(axis=-1) >= floor]
        if len(high):
            peak = max(peak, float(oversampled_peaks(high).max()))
    return peak
