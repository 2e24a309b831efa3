"""A data stream's way to the server, and how the streams share what may be in flight."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

LINES_MAX = 2_000  # a bulk of 2,000 lines is where throughput stops growing
IN_FLIGHT = 2


class Stopping(Exception):
    """The shipper ends; what is not acknowledged stays reserved and is looked for at the next start."""


@dataclass
class Flow:
    """One data stream.

    Attributes:
        stream: Its name.
        room: Lines a request; it shrinks when the server refuses and grows when it takes.
        troubled: Whether the last request was refused or lost. Such a stream gets no further batches.
    """

    stream: str
    room: int = LINES_MAX
    troubled: bool = False

    def shrink(self, refused: int) -> None:
        """Ask for less at once after a request of so many lines was too much."""
        self.room = max(1, min(self.room, refused) // 2)

    def grow(self, taken: int) -> None:
        """Ask for more at once after a request of so many lines was taken."""
        self.room = min(LINES_MAX, max(self.room, taken) * 2)


class Slots:
    """Two requests at once, of which all streams in trouble share one: none of them can stop the others.

    Args:
        stopping: Ends the waiting.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._all = threading.Semaphore(IN_FLIGHT)
        self._troubled = threading.Semaphore(IN_FLIGHT - 1)

    @contextlib.contextmanager
    def one(self, flow: Flow) -> Iterator[None]:
        """Hold a slot for the time of a request, but not while pausing between two.

        Raises:
            Stopping: The shipper ends before one is free.
        """
        with contextlib.ExitStack() as held:
            for slots in (self._troubled, self._all) if flow.troubled else (self._all,):
                while not slots.acquire(timeout=0.1):
                    if self._stopping.is_set():
                        raise Stopping
                held.callback(slots.release)
            yield
