"""The records of a SoundFont file, as numpy arrays.

Source: SoundFont Technical Specification 2.04, sections 4 to 7. The parser is our own because the ones on
PyPI are unmaintained or build objects for every generator; reading records with numpy needs a page.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

GENERATOR = np.dtype([("operator", "<u2"), ("amount", "<i2")])
BAG = np.dtype([("generators", "<u2"), ("modulators", "<u2")])
INSTRUMENT = np.dtype([("name", "S20"), ("bags", "<u2")])
PRESET = np.dtype(
    [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bags", "<u2"), ("reserved", "<u4", 3)]
)
SAMPLE = np.dtype(
    [
        ("name", "S20"),
        ("start", "<u4"),
        ("end", "<u4"),
        ("loop_start", "<u4"),
        ("loop_end", "<u4"),
        ("rate", "<u4"),
        ("key", "u1"),
        ("correction", "i1"),
        ("link", "<u2"),
        ("type", "<u2"),
    ]
)
RECORDS = {
    "phdr": PRESET,
    "pbag": BAG,
    "pgen": GENERATOR,
    "inst": INSTRUMENT,
    "ibag": BAG,
    "igen": GENERATOR,
    "shdr": SAMPLE,
}


class FontError(ValueError):
    """The file is no sound font that can be played."""


class Records:
    """A font file's tables by chunk name, and its sample data: [frames] int16, or sf3's bytes.

    The samples stay in the file (memory-mapped), so that a large font costs only what is played.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise FontError(f"cannot read the sound font {path}: {error}") from error
        chunks = self._chunks(path)
        missing = ({*RECORDS, "smpl"}) - chunks.keys()
        if missing:
            raise FontError(f"{path} is no sound font: it lacks {', '.join(sorted(missing))}")
        self.tables = {name: self._table(chunks[name], dtype) for name, dtype in RECORDS.items()}
        self._samples = chunks["smpl"]

    def _chunks(self, path: Path) -> dict[str, tuple[int, int]]:
        """Offset and size of every leaf chunk; RIFF and LIST are entered."""
        if self._data[:4] != b"RIFF" or self._data[8:12] != b"sfbk":
            raise FontError(f"{path} is no sound font: it does not start with RIFF sfbk")
        chunks: dict[str, tuple[int, int]] = {}
        at = 12
        while at + 8 <= len(self._data):
            name, size = struct.unpack_from("<4sI", self._data, at)
            if name == b"LIST":
                at += 12
                continue
            chunks[name.decode("latin-1")] = (at + 8, min(size, len(self._data) - at - 8))
            at += 8 + size
            at += self._data[at : at + 1] == b"\0"  # the pad after an odd size, which some writers leave out
        return chunks

    def _table(self, chunk: tuple[int, int], dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
        offset, size = chunk
        return np.frombuffer(self._data, dtype=dtype, count=size // dtype.itemsize, offset=offset)

    def pcm(self, start: int, end: int) -> npt.NDArray[np.int16]:
        """Samples `start` to `end` of the font's pool."""
        offset, size = self._samples
        end = min(end, size // 2)
        start = min(start, end)
        return np.frombuffer(self._data, dtype="<i2", count=end - start, offset=offset + 2 * start)

    def packed(self, start: int, end: int) -> bytes:
        """The Ogg stream of an sf3 sample, whose positions are bytes."""
        offset, size = self._samples
        return self._data[offset + start : offset + min(end, size)]
