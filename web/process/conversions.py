"""Songs in other formats: each is made once, for all who wait for it, and no longer than anybody does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import anyio

Work = Callable[[Callable[[float], None]], None]
"""Makes one file; it calls what it is given with the share done, which raises once nobody waits."""


PATIENCE: Final = 600.0  # seconds for one file; the longest song takes under a minute on a core of its own
STUCK_MAX: Final = 4  # threads that a storage which hangs may hold


class NobodyWaits(Exception):
    """Nobody waits for the file any more."""


class TooSlow(Exception):
    """The file was not made in time."""


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
    """One process's conversions, one at a time, in turn among their owners; one event loop's.

    Args:
        patience: Seconds after which a file is given up. Its thread ends at its next step; one that hangs in
            the storage is left behind, and a few such are the end of conversions until they come back.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._stuck = 0
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
            await self._in_a_thread(run)
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

    async def _in_a_thread(self, run: _Run) -> None:
        if self._stuck >= STUCK_MAX:
            raise TooSlow("the storage hangs")
        self._stuck += 1
        loop = asyncio.get_running_loop()

        def work() -> None:
            try:
                run.work(run.progress)
            finally:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._came_back)

        try:
            with anyio.fail_after(self._patience):
                await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._thread)
        except TimeoutError as error:
            raise TooSlow(f"not made within {self._patience:g} s") from error
        finally:
            run.left.set()

    def _came_back(self) -> None:
        self._stuck -= 1
