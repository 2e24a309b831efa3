"""Something done again and again in a thread of its own, until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from observability.logging import get_logger

log = get_logger()


class Every:
    """Calls `function` every so many seconds; an error is logged and does not end it."""

    def __init__(self, seconds: float, function: Callable[[], None], name: str) -> None:
        self._seconds = seconds
        self._function = function
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self, patience: float = 2.0) -> None:
        """Call no more; wait for a call in progress, but not for one that hangs."""
        self._stopped.set()
        self._thread.join(patience)

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                self._function()
            except Exception:
                log.exception("worker.error", message=f"{self._thread.name} failed; it goes on")
