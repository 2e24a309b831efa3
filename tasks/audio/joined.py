"""Files that were joined to one another: libsndfile reads the first and says nothing of the others."""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Callable, Iterator
from typing import Final

FLAC_BEGINS: Final = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # and STREAMINFO, of 34 bytes
PAGE: Final = b"OggS"
BEGINS: Final = 2  # of an Ogg page's flags: a stream begins here (RFC 3533, 6)
HARMLESS: Final = 4096  # bytes behind a file's end that may be a tag of some program


def parts(kind: str, data: bytes) -> list[bytes]:
    """The files of a kind that stand one behind the other; a file by itself is the only one."""
    begins = _BEGINS[kind](data) if kind in _BEGINS else []
    places = [0, *(at for at in begins if at), len(data)]
    return [data[at:end] for at, end in itertools.pairwise(places)]


def left_over(kind: str, data: bytes) -> int:
    """Bytes behind the last chunk of a wav or aiff file, if more than padding: sound that no header names."""
    if kind not in {"wav", "aiff"}:
        return 0
    order = ">" if kind == "aiff" or data[:4] == b"RIFX" else "<"
    at, heard = 12, False
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from(f"{order}I", data, at + 4)[0]
        end = at + 8 + size + size % 2
        if not all(0x20 <= letter < 0x7F for letter in name) or (heard and end > len(data) + 1):
            break
        heard = heard or name in {b"data", b"SSND"}
        at = end
    rest = data[at:].strip(b"\0")
    return len(rest) if heard and len(rest) > HARMLESS else 0


def _of_flac(data: bytes) -> Iterator[int]:
    return (match.start() for match in FLAC_BEGINS.finditer(data))


def _of_ogg(data: bytes) -> Iterator[int]:
    """Where a chain's links begin: with the first of the pages that begin streams, which stand together."""
    at, beginning = 0, False
    while (at := data.find(PAGE, at)) >= 0 and at + 27 <= len(data):
        begins = bool(data[at + 5] & BEGINS)
        if begins and not beginning:
            yield at
        beginning = begins
        segments = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(segments) + sum(segments)


_BEGINS: Final[dict[str, Callable[[bytes], Iterator[int]]]] = {"flac": _of_flac, "ogg": _of_ogg}
