"""Keeps the digest of the log files up to date, in a process of its own, so that /analytics need not."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from pathlib import Path
from typing import Final

from observability.coverage import behind
from observability.logging import get_logger
from tasks.settings import environment

EVERY: Final = 60.0  # seconds
WORTH: Final = 32 << 20  # bytes of new lines; less are read when somebody looks

log = get_logger()


class Digesting:
    """One update at a time, begun from time to time or because a page asks for it.

    Args:
        logs: Folder of the line files.
        digest: Folder of what was read of them.
    """

    def __init__(self, logs: Path, digest: Path) -> None:
        self.logs, self.digest = logs, digest
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Look every minute."""
        while True:
            await asyncio.sleep(EVERY)
            with contextlib.suppress(OSError):
                if await asyncio.to_thread(self._behind) >= WORTH:
                    self.begin()

    def begin(self) -> None:
        """Begin an update, unless one runs, or nothing here can read lines."""
        if importlib.util.find_spec("duckdb") is None:
            return
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._update())

    def files(self) -> list[str]:
        """The line files, rotated ones too."""
        return [str(path.absolute()) for path in sorted(self.logs.glob("*.jsonl"))]

    def _behind(self) -> int:
        """Bytes of lines that are in no segment."""
        return behind(self.digest, [Path(path) for path in self.files()])

    async def _update(self) -> None:
        words = ["--update", "--digest", str(self.digest), *self.files()]
        process = await asyncio.create_subprocess_exec(
            *environment.python("observability.analytics", *words),
            env=environment.built(),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            if await process.wait():
                log.warning("analytics.not_digested", message="the log files could not be read; see above")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
