"""The process that draws /analytics: begun when somebody looks, gone when nobody has for ten minutes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from tasks.settings import environment

SECONDS: Final = 120.0  # that drawing may take
LONGEST: Final = 64 << 20  # bytes of one answer


class NotDrawn(Exception):
    """The lines could not be read, or not in time."""


class Drawing:
    """One process, asked one question at a time.

    Args:
        digest: Folder of what was read of old lines.
    """

    def __init__(self, digest: Path) -> None:
        self._digest = digest
        self._lock = asyncio.Lock()
        self._process: Process | None = None

    async def draw(self, words: Sequence[str]) -> dict[str, str] | None:
        """The panels as SVG by their ids; None where too many lines have to be read first.

        Args:
            words: Hours, width, light and the files, as `python -m observability.analytics` takes them.

        Raises:
            NotDrawn: The process ended, or took longer than `SECONDS`.
        """
        async with self._lock:
            try:
                async with asyncio.timeout(SECONDS):
                    # One that has just gone, having waited long enough, leaves the question to a new one.
                    said = await self._ask(words) or await self._ask(words)
            except BaseException as error:  # a late answer must not be taken for the next question's
                await self._end()
                if isinstance(error, TimeoutError):
                    raise NotDrawn("The log files took too long to read. Ask for a shorter time.") from None
                raise
        if not said:
            raise NotDrawn("The log files could not be read; the web app's log says why.")
        drawn: dict[str, str] | None = orjson.loads(said)
        return drawn

    async def close(self) -> None:
        """End the process; nobody looks any more."""
        async with self._lock:
            await self._end()

    async def _ask(self, words: Sequence[str]) -> bytes:
        """The line that answers; empty where the process has ended."""
        process = self._process
        if process is None or process.returncode is not None:
            command = environment.python("observability.analytics", "--stay", "--digest", str(self._digest))
            process = self._process = await asyncio.create_subprocess_exec(
                *command, env=environment.built(), stdin=PIPE, stdout=PIPE, limit=LONGEST
            )
        if process.stdin is None or process.stdout is None:
            raise NotDrawn("The process that draws has no pipes.")
        with contextlib.suppress(ConnectionError):
            # Not by orjson: a file's name may be no UTF-8.
            process.stdin.write(json.dumps(list(words)).encode() + b"\n")
            await process.stdin.drain()
            if said := await process.stdout.readline():
                return said
        await self._end()
        return b""

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
