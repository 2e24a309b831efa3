"""Songs on the disk: written beside their place, resumed where they broke off, checked before they get it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import httpx

from tutti_client.errors import BadAnswer, Corrupt
from tutti_client.models import Job, Output
from tutti_client.wire import PART

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$")
BLOCK = 1 << 20


def places_of(outputs: Sequence[Output], to: Path) -> list[Path]:
    """Where outputs go: below `to` where it is a folder or has no ending, else `to` and its `-2`, `-3`.

    Raises:
        BadAnswer: The server's name for one is not a plain file name.
    """
    if to.suffix and not to.is_dir():
        return [
            to if output.variation == 1 else to.with_stem(f"{to.stem}-{output.variation}")
            for output in outputs
        ]
    for output in outputs:
        if not NAME.match(output.name):
            raise BadAnswer(f"the server names a file {output.name!r}, which is no plain file name")
    to.mkdir(parents=True, exist_ok=True)
    return [to / output.name for output in outputs]


def songs_of(job: Job) -> list[Output]:
    """The audio of a job, without the score."""
    return [output for output in job.outputs if output.format != "mid"]


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Partial:
    """One file on its way: `NAME.part` until it is whole and is what the server said.

    Args:
        place: Where it goes in the end.
        output: What the server says of it.
    """

    def __init__(self, place: Path, output: Output) -> None:
        self.place = place
        self.output = output
        self._part = place.with_name(place.name + PART)

    @property
    def there(self) -> bool:
        """Whether the whole file is in its place already."""
        if not self.place.is_file() or self.place.stat().st_size != self.output.bytes:
            return False
        return digest_of(self.place) == self.output.sha256

    @property
    def length(self) -> int:
        """Bytes that are here."""
        return self._part.stat().st_size if self._part.is_file() else 0

    def headers(self) -> Mapping[str, str]:
        """Asks for what is missing; songs never change, so no condition is needed beside the hash."""
        plain = {"accept-encoding": "identity"}  # ranges and lengths are of the file itself
        return plain | ({"range": f"bytes={self.length}-"} if self.length else {})

    @property
    def whole(self) -> bool:
        """Whether as many bytes are here as it takes, right or wrong."""
        return self.length >= self.output.bytes

    def open(self, answer: httpx.Response) -> BinaryIO:
        """The file to write the answer's body to: at its end where the server sends the rest only."""
        wanted = f"bytes {self.length}-"
        rest = answer.status_code == httpx.codes.PARTIAL_CONTENT and (
            answer.headers.get("content-range", "").startswith(wanted)
        )
        return self._part.open("ab" if rest else "wb")

    @staticmethod
    def writing(file: BinaryIO, block: bytes) -> Callable[[], int]:
        """Writes a block when it is called."""
        return lambda: file.write(block)

    def finish(self) -> Path:
        """Check it and put it in its place.

        Raises:
            Corrupt: It is something else; it is thrown away.
        """
        if digest_of(self._part) != self.output.sha256:
            self._part.unlink()
            raise Corrupt(f"{self.output.name} came with other bytes than the server promised")
        with self._part.open("rb+") as file:
            os.fsync(file.fileno())
        return self._part.replace(self.place)
