"""Looks at the storage all the time, as people may who have a link: what is visible has to be whole."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

from tasks.storage.folders import located
from tests.servers.stored import names_in

LOOK = 0.01  # seconds between two looks


class Glimpses:
    """Remembers what each visible file was when it was first seen.

    Reading may hang with the storage, so it is done by a thread that nobody waits for.
    """

    def __init__(self, folder: Path) -> None:
        self.first: dict[str, str] = {}
        self._folder = folder
        self._ended = False
        self._paused = threading.Event()
        self._idle = threading.Event()
        threading.Thread(target=self._look, name="glimpses", daemon=True).start()

    def pause(self) -> None:
        """Keep no file open until `resume`."""
        self._paused.set()
        self._idle.wait(5)

    def resume(self) -> None:
        self._idle.clear()
        self._paused.clear()

    def end(self) -> None:
        self._ended = True

    def _look(self) -> None:
        while not self._ended:
            time.sleep(LOOK)
            if self._paused.is_set():
                self._idle.set()
                continue
            try:
                for name in names_in(self._folder):
                    if is_song(name) and name not in self.first:
                        self.first[name] = digest(located(self._folder, name))
            except OSError:  # away, or no more there
                continue


def is_song(name: str) -> bool:
    """Whether people could fetch a file of this name."""
    return name.endswith((".wav", ".mid"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
