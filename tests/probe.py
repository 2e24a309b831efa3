"""Whether a finished file is what it should be: decoded from its first block to its last."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
import soundfile

BLOCK: Final = 65_536  # frames
TOLERANCE: Final = 0.15  # seconds: mp3 pads to whole frames


class ProbeError(ValueError):
    """The file cannot be decoded, or does not last as long as it should."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What a file holds."""

    seconds: float
    rate: int
    channels: int
    peak: float


def probe(source: Path | IO[bytes], *, seconds: float | None = None) -> Probed:
    """Decode a whole audio file.

    Args:
        source: The file, or an open one.
        seconds: What it has to last, within 0.15 s; None for whatever it lasts.

    Raises:
        ProbeError: It cannot be decoded or lasts otherwise.
    """
    try:
        with soundfile.SoundFile(source) as file:
            frames, peak = 0, 0.0
            for block in file.blocks(BLOCK, dtype="float32", always_2d=True):
                frames += len(block)
                peak = max(peak, float(np.abs(block).max(initial=0.0)))
            found = Probed(
                seconds=frames / file.samplerate, rate=file.samplerate, channels=file.channels, peak=peak
            )
    except soundfile.LibsndfileError as error:
        raise ProbeError(f"the audio cannot be decoded: {error}") from error
    if seconds is not None and abs(found.seconds - seconds) > TOLERANCE:
        raise ProbeError(f"the audio lasts {found.seconds:.2f} s and not {seconds:.2f} s")
    return found
