"""The serial number of an Ogg file, made the same for the same song.

libsndfile takes it from the clock, so that equal audio gave unequal files. Source: RFC 3533, section 6.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import IO

HEAD = 27  # bytes of a page before its segment table
SERIAL = 0x54555454  # "TUTT"
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def renumber(file: IO[bytes]) -> None:
    """Give every page of the Ogg `file` the same serial number, and its checksum to match.

    Raises:
        ValueError: The file is not Ogg.
    """
    at = file.seek(0)
    while head := file.read(HEAD):
        if len(head) < HEAD or head[:4] != b"OggS":
            raise ValueError(f"no Ogg page at byte {at}")
        table = file.read(head[26])
        body = file.read(sum(table))
        page = head[:14] + struct.pack("<I", SERIAL) + head[18:22] + bytes(4) + head[26:] + table + body
        file.seek(at)
        file.write(page[:22] + struct.pack("<I", _checksum(page)) + page[26:HEAD])
        at = file.seek(at + len(page))
    file.seek(0, io.SEEK_END)


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32 runs from the highest bit with no inversions; zlib's from the lowest with both."""
    crc = zlib.crc32(page.translate(REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(struct.pack("<I", crc).translate(REVERSED), "big")
