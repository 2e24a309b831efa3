"""The title in an MP3, which libsndfile writes as Latin-1 whatever it is.

ID3v2.3 with UTF-16, which old and new players read (https://id3.org/id3v2.3.0, 3.1, 3.3, 4.2). Our own: it is
one frame, and the libraries that write it are under the GPL.
"""

from __future__ import annotations

import io
import os
from typing import IO, Final

from tasks.jobs import JobRequest

TITLE_MAX: Final = 80
UTF_16: Final = b"\x01"


def title_of(request: JobRequest) -> str:
    """What a song is called in its file: the beginning of what it should be, in one line."""
    return " ".join(request.prompt.split())[:TITLE_MAX].strip()


def id3(title: str, software: str) -> bytes:
    """A tag with the title and the program that encoded the file."""
    frames = b"".join(_text(name, text) for name, text in (("TIT2", title), ("TSSE", software)) if text)
    size = len(frames)
    safe = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + safe + frames


def _text(name: str, text: str) -> bytes:
    content = UTF_16 + text.encode("utf-16")
    return name.encode() + len(content).to_bytes(4, "big") + bytes(2) + content


class Behind:
    """A file as seen from a place in it: what stands before is not there.

    Args:
        file: Readable, writable and seekable; it stands at the place.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._from = file, file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; the new one comes back."""
        return self._file.seek(offset + (self._from if whence == os.SEEK_SET else 0), whence) - self._from

    def tell(self) -> int:
        """Where it stands."""
        return self._file.tell() - self._from

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        return self._file.read(size)

    def write(self, data: bytes) -> int:
        """Write on."""
        return self._file.write(data)

    def flush(self) -> None:
        """Hand everything over."""
        self._file.flush()
