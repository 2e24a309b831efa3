"""A clock of one process and its children that can be set while they run, by libfaketime."""

from __future__ import annotations

from pathlib import Path

from tests import needs

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


class Clock:
    """What a process that has `environment` takes for the time; its monotonic clock is the real one."""

    def __init__(self, folder: Path) -> None:
        found = [str(path) for pattern in LIBRARIES for path in Path("/").glob(pattern[1:])]
        if not found:
            needs.missing("libfaketime", "apt-get install libfaketime")
        self._file = folder / "clock"
        self.set("+0")
        self.environment = {
            "LD_PRELOAD": found[0],
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset: str) -> None:
        """Let it differ from the true one, such as by "+1h"."""
        new = self._file.with_suffix(".new")
        new.write_text(offset)
        new.replace(self._file)
