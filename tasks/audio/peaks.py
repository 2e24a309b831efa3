"""The waveform that a player draws: a song's peaks in a few hundred numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def waveform(samples: npt.NDArray[np.float32], count: int = 400) -> list[int]:
    """The highest absolute sample of each of `count` equal parts of [channels, frames], as 0..100.

    Shorter songs than `count` frames give one number a frame.
    """
    frames = samples.shape[-1]
    if not frames:
        return []
    edges = np.linspace(0, frames, min(count, frames), endpoint=False).astype(np.int64)
    highest = np.maximum(samples.max(axis=0), -samples.min(axis=0))
    return [round(100 * min(float(peak), 1.0)) for peak in np.maximum.reduceat(highest, edges)]
