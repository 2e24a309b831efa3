"""Keeps a set of processes running: starts them in stages, restarts what dies, leaves no orphan.

Our own because honcho, supervisor and circus were tried and none gates on readiness, backs off from crash
loops and takes its processes along when it is killed itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from observability.back_off import BackOff
from tasks.settings import environment

PR_SET_PDEATHSIG = 1
STEADY_SECONDS = 30.0  # a process that lived so long starts its back-off anew
STARTS_AGAIN = BackOff(first=0.5, longest=30.0)
Check = Callable[[], Awaitable[bool]]
Say = Callable[[str, str], None]
"""Prints one line of one part: its name, then the line."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process. Parts of a stage start together; the next stage waits until all of them are ready."""

    name: str
    argv: list[str]
    stage: int
    ready: Check
    hush: str | None = None  # lines that contain this are not printed


class StartFailed(Exception):
    """A part was not ready in time; the message names it."""


def _die_with_parent() -> None:
    """Ask the kernel to end this child when the supervisor dies in whatever way. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Running:
    """A part and its process of the moment."""

    part: Part
    process: asyncio.subprocess.Process | None = None
    deaths: int = 0
    keeper: asyncio.Task[None] | None = None


class Supervisor:
    """Starts parts stage by stage, restarts them with back-off, and stops them in reverse order."""

    def __init__(self, parts: Sequence[Part], *, say: Say, grace: float, start_limit: float = 60.0) -> None:
        self._running = [Running(part) for part in sorted(parts, key=lambda part: part.stage)]
        self._say = say
        self._grace = grace
        self._start_limit = start_limit
        self._stop = asyncio.Event()

    async def start(self) -> None:
        """Start every stage and wait for its readiness.

        Raises:
            StartFailed: A part was not ready within the limit.
        """
        for stage in sorted({running.part.stage for running in self._running}):
            members = [running for running in self._running if running.part.stage == stage]
            for running in members:
                running.keeper = asyncio.create_task(self._keep(running))
            await asyncio.gather(*(self._until_ready(running.part) for running in members))

    async def _until_ready(self, part: Part) -> None:
        deadline = time.monotonic() + self._start_limit
        while not await part.ready():
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{part.name} was not ready within {self._start_limit:.0f} s; its lines above say why"
                )
            await asyncio.sleep(0.1)

    async def _keep(self, running: Running) -> None:
        """Run one part for ever: each crash in a row doubles the wait before the next start."""
        while not self._stop.is_set():
            started = time.monotonic()
            code = await self._run_once(running)
            if self._stop.is_set():
                return
            lived = time.monotonic() - started
            running.deaths = 1 if lived > STEADY_SECONDS else running.deaths + 1
            wait = STARTS_AGAIN.pause(running.deaths)
            self._say(
                running.part.name, f"ended {_how(code)} after {lived:.1f} s; starts again in {wait:g} s"
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), wait)

    async def _run_once(self, running: Running) -> int:
        # A pipe of our own: asyncio's would hold back the news of a death until its last child closes it.
        reading, writing = os.pipe()
        running.process = process = await asyncio.create_subprocess_exec(
            *running.part.argv,
            env=environment.built(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the parts in order
            preexec_fn=_die_with_parent,  # only calls prctl, and no thread runs here
        )
        os.close(writing)
        copying = asyncio.create_task(self._copy_output(running.part, reading))
        code = await process.wait()
        _kill_group(process.pid)  # what it left behind holds its files, sockets and output
        await copying
        return code

    async def _copy_output(self, part: Part, reading: int) -> None:
        reader = asyncio.StreamReader(limit=2**20)
        protocol = asyncio.StreamReaderProtocol(reader)
        pipe = os.fdopen(reading, "rb")
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        try:
            while line := await self._line(reader):
                text = line.decode(errors="replace").rstrip()
                if part.hush is None or part.hush not in text:
                    self._say(part.name, text)
        finally:
            transport.close()

    @staticmethod
    async def _line(reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readline()
        except ValueError:  # longer than the limit; what was read of it is gone
            return b"(a line of more than 1 MiB was left out)"

    async def stop(self) -> None:
        """Stop the parts in reverse order; what outlasts its grace is killed with all its children."""
        self._stop.set()
        for stage in sorted({running.part.stage for running in self._running}, reverse=True):
            await asyncio.gather(*(self._end(r) for r in self._running if r.part.stage == stage))

    async def _end(self, running: Running) -> None:
        process = running.process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), self._grace)
            except TimeoutError:
                self._say(running.part.name, f"did not stop within {self._grace:.0f} s and is killed")
            _kill_group(process.pid)
        if running.keeper:
            await running.keeper


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
