"""When a job may be claimed: not while draining, nor while it could not be recorded, made or stored.

A message that has to wait here belongs to nobody yet: another worker may claim its job at any time.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, Literal

from observability.back_off import BackOff

ENGINE_REST: Final = BackOff(first=2.0, longest=60.0)

Away = Literal["cordoned", "ledger", "storage"]
ORDER: Final[tuple[Away, ...]] = ("ledger", "storage", "cordoned")  # what is told of first


class NotNow(Exception):
    """This worker cannot take a job at present; the message says why."""


class Admission:
    """Counts the jobs in the engine, and knows what stands in the way of more."""

    def __init__(self, slots: int) -> None:
        self._changed = threading.Condition()
        self._free = slots
        self._closed = False
        self._away: set[Away] = set()
        self._broker_works = False
        self._engine_failures = 0
        self._engine_rests_until = 0.0

    @contextlib.contextmanager
    def entered(self, patience: float) -> Iterator[Callable[[], None]]:
        """Hold a slot; yields a function that gives it back early, when the engine is done with the job.

        Raises:
            NotNow: There was none within `patience` seconds.
        """
        with self._changed:
            self._wait(patience)
            self._free -= 1
        leave = _once(self._leave)
        try:
            yield leave
        finally:
            leave()

    @property
    def closed(self) -> bool:
        """Whether this worker is to end."""
        return self._closed

    @property
    def obstacle(self) -> str | None:
        """Why no job can be taken whoever leaves; None if it is only a matter of slots."""
        if self._closed:
            return "draining"
        for what in ORDER:
            if what in self._away:
                return what
        return "engine" if self._engine_rests_until > time.monotonic() else None

    @property
    def storage_fails(self) -> bool:
        """Whether songs cannot be stored, whatever else is amiss."""
        return "storage" in self._away

    @property
    def has_broker(self) -> bool:
        """Whether there is a connection to the broker; what was claimed before goes on without one."""
        return self._broker_works

    def close(self) -> None:
        """Let nobody in any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def storage(self, *, works: bool) -> None:
        """Note whether songs can be stored."""
        self._note("storage", works=works)

    def ledger(self, *, works: bool) -> None:
        """Note whether the ledger answers: without it no job can be claimed."""
        self._note("ledger", works=works)

    def cordoned(self, *, on: bool) -> None:
        """Note whether people want no jobs taken here for a while."""
        self._note("cordoned", works=not on)

    def broker(self, *, works: bool) -> None:
        """Note whether there is a connection to the broker."""
        with self._changed:
            self._broker_works = works

    def _note(self, what: Away, *, works: bool) -> None:
        with self._changed:
            (self._away.discard if works else self._away.add)(what)
            self._changed.notify_all()

    def engine(self, *, loads: bool) -> None:
        """Note whether the model loads; after a failure the engine rests, longer each time."""
        with self._changed:
            self._engine_failures = 0 if loads else self._engine_failures + 1
            rest = 0.0 if loads else ENGINE_REST.pause(self._engine_failures)
            self._engine_rests_until = time.monotonic() + rest
            self._changed.notify_all()

    def _wait(self, patience: float) -> None:
        until = time.monotonic() + patience
        while self.obstacle or self._free <= 0:
            left = until - time.monotonic()
            if left <= 0 or self._closed:
                raise NotNow(self.obstacle or "busy")
            self._changed.wait(min(left, 1.0))

    def _leave(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify()


def _once(function: Callable[[], None]) -> Callable[[], None]:
    """A function that does its work at its first call only."""
    lock = threading.Lock()  # taken at the first call and kept

    def call() -> None:
        if lock.acquire(blocking=False):
            function()

    return call
