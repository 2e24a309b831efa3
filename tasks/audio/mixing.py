"""Many channels as two, by the weights of ITU-R BS.775-4, annex 4: C and the surrounds at -3 dB, no LFE."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

HALF_POWER: Final = 0.5**0.5
# What goes to the left and to the right ear from each place where a loudspeaker may stand.
WEIGHTS: Final = {
    "L": (1.0, 0.0),
    "R": (0.0, 1.0),
    "C": (HALF_POWER, HALF_POWER),
    "LFE": (0.0, 0.0),
    "Ls": (HALF_POWER, 0.0),
    "Rs": (0.0, HALF_POWER),
    "Lr": (HALF_POWER, 0.0),
    "Rr": (0.0, HALF_POWER),
    "S": (0.5, 0.5),  # one surround for both: -3 dB of -3 dB, so that its power stays the same
    "Lc": (1.0, 0.0),
    "Rc": (0.0, 1.0),
}
# In which order files have them: as Microsoft and the FLAC specification (RFC 9639, 9.1.3) say, ...
USUAL: Final = {
    3: "L R C",
    4: "L R Ls Rs",
    5: "L R C Ls Rs",
    6: "L R C LFE Ls Rs",
    7: "L R C LFE S Ls Rs",
    8: "L R C LFE Lr Rr Ls Rs",
}
# ... and as Vorbis I (4.3.9) does.
VORBIS: Final = {
    3: "L C R",
    4: "L R Ls Rs",
    5: "L C R Ls Rs",
    6: "L C R Ls Rs LFE",
    7: "L C R Ls Rs S LFE",
    8: "L C R Ls Rs Lr Rr LFE",
}
# The bits of WAVEFORMATEXTENSIBLE's dwChannelMask, from the lowest.
MASK: Final = ["L", "R", "C", "LFE", "Lr", "Rr", "Lc", "Rc", "S", "Ls", "Rs"]


def places_of(mask: int, channels: int) -> list[str] | None:
    """The places of the channels by a dwChannelMask; None where it does not name as many as there are."""
    named = [place for bit, place in enumerate(MASK) if mask >> bit & 1]
    return named if len(named) == channels and mask < 1 << len(MASK) else None


def to_stereo(places: list[str]) -> Matrix:
    """The matrix [channels, 2] that makes two channels of these places."""
    if places == ["C"]:
        return np.ones((1, 2), np.float32)
    return np.array([WEIGHTS[place] for place in places], np.float32)


def usual(channels: int, *, vorbis: bool = False) -> list[str] | None:
    """The places of so many channels where the file does not tell; None where there is no usual order."""
    if channels <= 2:
        return [["C"], ["L", "R"]][channels - 1]
    named = (VORBIS if vorbis else USUAL).get(channels)
    return named.split() if named else None
