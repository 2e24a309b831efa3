"""A clock of one process and its children that can be set while they run."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from tests import needs

SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """What a process that has `environment` takes for the time; its monotonic clock is the real one."""

    def __init__(self, folder: Path) -> None:
        library, self._file = folder / "clock.so", folder / "clock"
        command = [needs.program("gcc"), "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"]
        subprocess.run([str(word) for word in command], check=True)
        self._file.write_bytes(struct.pack("l", 0))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self._file)}

    def set(self, seconds: int) -> None:
        """Let it differ from the true one by so many seconds."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("l", seconds))
