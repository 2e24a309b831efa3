"""The waveform that a player draws: a song's peaks in a few hundred numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

BLOCK: Final = 1 << 18  # frames read at once, so that ten minutes need no more memory than ten seconds


def waveform(path: Path, count: int = 480) -> list[float]:
    """The loudest sample of each of `count` equal parts of an audio file, 0..1.

    Raises:
        OSError, RuntimeError: The file cannot be read or decoded.
    """
    with soundfile.SoundFile(os.fsencode(path)) as file:
        highest = np.zeros(count, np.float32)
        position = 0
        for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
            loud = np.abs(block).max(axis=1)
            places = (np.arange(position, position + len(loud)) * count // file.frames).clip(max=count - 1)
            np.maximum.at(highest, places, loud)
            position += len(loud)
    return [round(float(value), 3) for value in highest.clip(max=1.0)]
