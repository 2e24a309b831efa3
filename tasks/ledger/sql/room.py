"""Whether the ledger's disk has room for more."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tasks.ledger.errors import LedgerError, LedgerFull, LedgerUnavailable

KEEP_FREE = 64 * 2**20  # bytes: room for the running jobs' ends, which have to be written
CHECK_SECONDS = 1.0


class Room:
    """Looks at the disk of a SQLite ledger at most once a second; a server looks after its own."""

    def __init__(self, database: Path | None, keep_free: int = KEEP_FREE) -> None:
        self._folder = database.parent if database else None
        self._keep_free = keep_free
        self._checked = float("-inf")
        self._refusal: LedgerError | None = None

    def refusal(self) -> LedgerError | None:
        """Why no new job can be taken; None where one can."""
        if self._folder and time.monotonic() - self._checked > CHECK_SECONDS:
            self._refusal = self._look(self._folder)
            self._checked = time.monotonic()
        return self._refusal

    def _look(self, folder: Path) -> LedgerError | None:
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            return LedgerUnavailable(f"the ledger's folder cannot be read ({error.strerror}); try again soon")
        if free < self._keep_free:
            return LedgerFull("the ledger's disk is nearly full; free some space, then try again")
        return None
