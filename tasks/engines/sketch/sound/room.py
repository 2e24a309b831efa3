"""The room the players sit in: a made impulse response, convolved block by block.

Late part after Moorer, "About This Reverberation Business" (1979): noise under an exponential, here in three
bands because highs die sooner; before it a few early reflections, other ones on either side.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft, signal

from tasks.engines.sketch.sound.stem import Done
from tasks.engines.sketch.sound.tone import RATE, Mono

Stereo = npt.NDArray[np.float32]
SECONDS_MIN, SECONDS_MAX = 0.2, 4.0
BEFORE = 0.012  # seconds until the late part begins
BANDS = (
    (150.0, 1_000.0, 1.0),
    (1_000.0, 4_000.0, 0.8),
    (4_000.0, 10_000.0, 0.45),
)  # Hz, share of time
EARLY = ((0.007, 0.5), (0.011, 0.4), (0.017, 0.35), (0.023, 0.25), (0.031, 0.2))  # seconds, gain
EARLY_SHARE = 0.25  # of the response's energy
BLOCK = 262_144  # frames of a transform


@lru_cache(maxsize=8)
def impulse_response(seconds: float) -> Stereo:
    """The response of a room that dies by 60 dB in `seconds`, as [2, frames] of unit energy a side."""
    seconds = min(max(seconds, SECONDS_MIN), SECONDS_MAX)
    late = _late(seconds)
    early = np.zeros_like(late)
    for side in range(2):
        for at, gain in EARLY:
            early[side, round((at + 0.0013 * side) * RATE)] = gain * (-1) ** side if at > 0.02 else gain
    return (_share(late, 1 - EARLY_SHARE) + _share(early, EARLY_SHARE)).astype(np.float32)


def _late(seconds: float) -> npt.NDArray[np.float64]:
    frames = round((BEFORE + seconds) * RATE)
    noise = np.random.Generator(np.random.PCG64(1979)).standard_normal((2, frames))
    time = np.maximum(np.arange(frames) / RATE - BEFORE, 0)
    late = np.zeros((2, frames))
    for low, high, share in BANDS:
        band = signal.sosfilt(signal.butter(1, (low, high), "bandpass", fs=RATE, output="sos"), noise)
        late += band * 10 ** (-3 * time / (seconds * share))
    late[:, : round(BEFORE * RATE)] = 0
    return late


def _share(response: npt.NDArray[np.float64], energy: float) -> npt.NDArray[np.float64]:
    return np.asarray(response * np.sqrt(energy / np.square(response).sum(axis=-1, keepdims=True)))


def add_room(mix: Stereo, send: Mono, seconds: float, done: Done) -> None:
    """Add the room's answer to `send` [frames] to `mix` [2, frames], in place."""
    response = impulse_response(seconds)
    room = fft.rfft(response, BLOCK, workers=1)
    new = BLOCK - response.shape[1] + 1
    tail = np.zeros((2, BLOCK - new), np.float32)
    for at in range(0, mix.shape[1], new):
        spectrum = fft.rfft(send[at : at + new], BLOCK, workers=1)
        for side in range(2):
            wet = fft.irfft(spectrum * room[side], BLOCK, workers=1)
            wet[: BLOCK - new] += tail[side]
            tail[side] = wet[new:]
            part = mix[side, at : at + new]
            part += wet[: len(part)]
        done(at / mix.shape[1])
