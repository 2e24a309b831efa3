"""The time that all processes of a ledger agree on."""

from __future__ import annotations

import time

import sqlalchemy as sa

from tasks.ledger.sql.database import Database

CLOCK_CHECK_SECONDS = 60.0


class DatabaseClock:
    """The time all processes of a ledger agree on: the database server's, measured once a minute.

    In between it goes by the machine's uptime, so that setting its clock moves no lease. The processes of a
    SQLite ledger are on one machine and go by its clock.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offset = 0.0
        self._checked = float("-inf")

    def __call__(self) -> float:
        """Unix seconds."""
        if self._database.sqlite:
            return time.time()
        if _uptime() - self._checked > CLOCK_CHECK_SECONDS:
            self._measure()
        return _uptime() + self._offset

    def _measure(self) -> None:
        with self._database.read() as connection:
            before = _uptime()
            theirs = float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
            self._checked = _uptime()
        self._offset = theirs - (before + self._checked) / 2


def _uptime() -> float:
    """Seconds since the machine started, those that it slept included where the kernel counts them."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
