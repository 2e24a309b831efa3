"""One log file, followed by its inode: under any name, through rename, truncation and restart."""

from __future__ import annotations

import hashlib
import operator
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from observability.shipper.flow import LINES_MAX, Flow
from observability.shipper.line import BLOCK, LINE_MAX, Line, PendingBatch
from observability.unshipped import fingerprint

HEAD = TAIL = 512
SILENT_SECONDS = 60.0  # after which an unfinished line of a file put away is taken as it is


class Source:
    """A log file that is read forward and acknowledged in order.

    Args:
        path: A name of the file; only used to open it and to tell its stream.
        file: The open descriptor, which this object owns.
        flow: The data stream its lines go to.
    """

    def __init__(self, path: Path, file: int, flow: Flow) -> None:
        status = os.fstat(file)
        self.path, self.file, self.flow = path, file, flow
        self.key = (status.st_dev, status.st_ino)
        self.head_bytes = 0
        self.head = ""
        self.tail = ""  # hash of the last bytes acknowledged
        self.generation = 0
        self.origin = self.key[1]  # the inode that the ids are made of; a copy keeps its original's
        self.former: dict[str, Any] | None = None  # the entry of what was here before it was cut
        self.read_to = 0  # the next byte to read
        self.acknowledged = 0  # all before it is delivered or a dead letter
        self.reserved = 0  # lines before it may have been sent
        self.suspect_to = 0  # lines before it may have been sent by an earlier life
        self.searched_to = 0  # no line ends between `read_to` and here
        self.pending: deque[PendingBatch] = deque()
        self.turn = 0  # rises with each batch, so that the file that waits longest is next

    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self.file).st_size

    @property
    def behind(self) -> int:
        """Bytes not read yet."""
        return max(0, self.size() - self.read_to)

    @property
    def known(self) -> bool:
        """Whether there is anything to remember."""
        return bool(self.head or self.generation)

    @property
    def deleted(self) -> bool:
        """Whether the file has no name any more."""
        return os.fstat(self.file).st_nlink == 0

    @property
    def silent(self) -> bool:
        """Whether nothing was written for a while."""
        return time.time() - os.fstat(self.file).st_mtime >= SILENT_SECONDS

    @property
    def idle(self) -> bool:
        """Whether everything read is acknowledged."""
        return not self.pending

    def resume(self, saved: dict[str, Any]) -> bool:
        """Go on where a checkpoint's entry says, if it speaks of this very content."""
        if saved["head"] and fingerprint(self.file, saved["head_bytes"]) != saved["head"]:
            return False
        self.head, self.head_bytes, self.generation = saved["head"], saved["head_bytes"], saved["generation"]
        self.tail, self.origin = saved["tail"], saved["origin"]
        self.read_to = self.acknowledged = saved["offset"]
        self.reserved = self.suspect_to = saved["reserved"]
        return True

    def copies(self, saved: dict[str, Any]) -> bool | None:
        """Whether this file is a copy of the one an entry speaks of; None while that cannot be told yet.

        `copytruncate` copies a file and cuts it: the lines not read then are in the copy alone, and those
        that were are in it again.
        """
        if not saved["head"] or fingerprint(self.file, saved["head_bytes"]) != saved["head"]:
            return False
        if not 0 < saved["offset"] <= self.size():
            return False if self.silent else None
        return bool(self.tail_at(saved["offset"]) == saved["tail"])

    def tail_at(self, offset: int) -> str:
        """Hash the bytes before an offset, by which two files that begin alike are told apart."""
        return fingerprint(self.file, min(TAIL, offset), offset - min(TAIL, offset))

    def saved(self) -> dict[str, Any]:
        """This file's entry in the checkpoint."""
        return {
            "device": self.key[0],
            "inode": self.key[1],
            "path": str(self.path),
            "head": self.head,
            "head_bytes": self.head_bytes,
            "tail": self.tail,
            "origin": self.origin,
            "generation": self.generation,
            "offset": self.acknowledged,
            "reserved": self.reserved,
        }

    def read(self) -> Batch | None:
        """Read the next complete lines, or None if there are none or a truncation has to settle first."""
        if self._was_cut() and not self._start_over():
            return None
        block = os.pread(self.file, BLOCK, self.read_to)
        end = block.rfind(b"\n") + 1
        if end:
            return self._batch(block[:end])
        if len(block) >= BLOCK:
            return self._skip_oversize()
        return self._last(block) if block and self._left() else None

    def acknowledge(self) -> None:
        """Advance over the batches that are done, as far as they join."""
        while self.pending and self.pending[0].done.done():
            done = self.pending.popleft()
            self.acknowledged, self.tail = done.end, done.tail

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.file)

    def _know(self, first_line: int) -> None:
        """Remember how the file begins, by which it is known again."""
        if not self.head:
            self.head_bytes = min(first_line, HEAD)
            self.head = fingerprint(self.file, self.head_bytes)

    def _was_cut(self) -> bool:
        """Whether other content is here now, even if it has grown past the old one's end."""
        if self.size() < self.read_to:
            return True
        return bool(self.head) and fingerprint(self.file, self.head_bytes) != self.head

    def _start_over(self) -> bool:
        """The file was cut: its new content is another file as far as ids go."""
        if self.pending:
            return False
        self.former = self.saved()
        self.generation += 1
        self.read_to = self.acknowledged = self.reserved = self.suspect_to = self.searched_to = 0
        self.head = self.tail = ""
        return True

    def _left(self) -> bool:
        """Whether nobody writes here any more: the file was renamed or deleted, and is silent since."""
        return (self.deleted or self.path.name.count(".") > 1) and self.silent

    def _last(self, block: bytes) -> Batch:
        """Take the line that its writer did not live to end."""
        batch = self._batch(block + b"\n")
        batch.end = self.read_to = batch.end - 1
        return batch

    def _batch(self, block: bytes) -> Batch:
        """Cut a block into lines; by iterators of C, because this is most of what a line costs here."""
        self._know(block.index(b"\n"))
        start, texts = self.read_to, block.split(b"\n", LINES_MAX)
        end = start + len(block) - len(texts.pop())
        batch = Batch(self, [], end, suspect=start < self.suspect_to)
        sound = texts if _is_utf8(block) else [text.decode("utf-8", "replace").encode() for text in texts]
        batch.repaired = sum(map(operator.ne, sound, texts)) if sound is not texts else 0
        offsets = list(accumulate(map((1).__add__, map(len, texts)), initial=start))
        batch.lines = list(map(Line, map(self._id(), offsets), offsets, sound))
        if not all(sound) or max(map(len, sound)) > LINE_MAX:
            batch.oversize = [line for line in batch.lines if len(line.text) > LINE_MAX]
            batch.lines = [line for line in batch.lines if 0 < len(line.text) <= LINE_MAX]
        self.read_to = end
        return batch

    def _id(self) -> Callable[[int], bytes]:
        """Make ids of offsets: of one length and rising, so that Lucene sees at once that one is new."""
        identity = f"{self.origin}:{self.head}:{self.generation}".encode()
        prefix = hashlib.blake2b(identity, digest_size=8).hexdigest()
        return f"{prefix}-%010x".encode().__mod__

    def _skip_oversize(self) -> Batch | None:
        """Pass over a line of more than a whole block, once its end is there or its writer is gone."""
        start, found = self.read_to, -1
        self.searched_to = max(self.searched_to, start + BLOCK)
        while found < 0 and (block := os.pread(self.file, BLOCK, self.searched_to)):
            found = block.find(b"\n")
            self.searched_to += found + 1 if found >= 0 else len(block)
        if found < 0 and not self._left():
            return None
        self._know(HEAD)
        self.read_to = self.searched_to
        begin = os.pread(self.file, HEAD, start).decode("utf-8", "replace").encode()
        line = Line(self._id()(start), start, begin)
        return Batch(self, [], self.read_to, [line], suspect=start < self.suspect_to)


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


@dataclass
class Batch:
    """Lines of one file that travel together.

    Attributes:
        source: Where they come from.
        lines: Those to deliver, in order.
        oversize: Offsets of lines too long to deliver, with their beginnings.
        end: Offset after the last line.
        since: The data stream's generation before these lines were first sent.
        suspect: Whether they may have been sent by an earlier life of this shipper.
    """

    source: Source
    lines: list[Line]
    end: int
    oversize: list[Line] = field(default_factory=list)
    repaired: int = 0
    since: int = 0
    suspect: bool = False

    @property
    def full(self) -> bool:
        """Whether there is probably more to read at once."""
        return len(self.lines) >= LINES_MAX or self.source.behind > BLOCK // 4
