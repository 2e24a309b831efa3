"""Whether the ledger's disk has room for more."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tasks.ledger.values.errors import LedgerError, LedgerFull, LedgerUnavailable

KEEP_FREE = 64 * 2**20  # bytes: room for the running jobs' ends, which have to be written
CHECK_SECONDS = 1.0


class DiskGuard:
    """Measures the disk of a SQLite ledger at most once a second; a server looks after its own."""

    def __init__(self, database: Path | None) -> None:
        self._folder = database.parent if database else None
        self._checked = float("-inf")
        self._refusal: LedgerError | None = None

    def refusal(self) -> LedgerError | None:
        """Why no new job can be taken; None where one can."""
        if self._folder and time.monotonic() - self._checked > CHECK_SECONDS:
            self._refusal = _measure(self._folder)
            self._checked = time.monotonic()
        return self._refusal


def _measure(folder: Path) -> LedgerError | None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return LedgerUnavailable(f"the ledger's folder cannot be read ({error.strerror}); try again soon")
    if free < KEEP_FREE:
        return LedgerFull("the ledger's disk is nearly full; free some space, then try again")
    return None
