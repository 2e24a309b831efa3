"""Songs in other formats: each is made once, for all who wait for it, and no longer than anybody does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

Work = Callable[[Callable[[float], None]], None]
"""Makes one file; it calls what it is given with the share done, which raises once nobody waits."""


class NobodyWaits(Exception):
    """Nobody waits for the file any more."""


@dataclass
class _Run:
    """One file in the making."""

    owner: str
    work: Work
    done: asyncio.Future[None]
    waiting: int = 0
    left: threading.Event = field(default_factory=threading.Event)

    def progress(self, _share: float) -> None:
        """Stop the work where nobody waits for it.

        Raises:
            NobodyWaits: So it is.
        """
        if self.left.is_set():
            raise NobodyWaits


class Conversions:
    """One process's conversions, one at a time, in turn among their owners; one event loop's."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._queue: list[str] = []
        self._busy: asyncio.Task[None] | None = None
        self._last = ""
        self._thread = anyio.CapacityLimiter(1)  # encoding takes a core

    async def make(self, name: str, owner: str, work: Work) -> None:
        """Wait until the file of that name is made, by whoever asked first; cancelling gives it up.

        Args:
            name: Of the file.
            owner: Whose turn it counts to.
            work: What makes it.

        Raises:
            Exception: What the work ended with.
        """
        run = self._runs.get(name)
        if run is None or run.left.is_set():
            run = self._runs[name] = _Run(owner, work, asyncio.get_running_loop().create_future())
            self._queue.append(name)
        run.waiting += 1
        self._go_on()
        try:
            await asyncio.shield(run.done)
        finally:
            run.waiting -= 1
            if not run.waiting and not run.done.done():
                self._give_up(name, run)

    def _give_up(self, name: str, run: _Run) -> None:
        run.left.set()
        run.done.cancel()
        if self._runs.get(name) is run:
            del self._runs[name]
            if name in self._queue:
                self._queue.remove(name)

    def _go_on(self) -> None:
        if self._busy is None and self._queue:
            others = (name for name in self._queue if self._runs[name].owner != self._last)
            name = next(others, self._queue[0])
            self._queue.remove(name)
            run = self._runs[name]
            self._last = run.owner
            self._busy = asyncio.create_task(self._work(name, run))

    async def _work(self, name: str, run: _Run) -> None:
        try:
            await anyio.to_thread.run_sync(run.work, run.progress, limiter=self._thread)
        except Exception as error:
            if not run.done.done():
                run.done.set_exception(error)
        else:
            if not run.done.done():
                run.done.set_result(None)
        finally:
            if self._runs.get(name) is run:
                del self._runs[name]
            self._busy = None
            self._go_on()
