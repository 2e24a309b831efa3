"""Jobs that come to wait are told of, so that whoever releases them need not ask again and again.

PostgreSQL carries it from session to session (LISTEN and NOTIFY), after the commit and outside of the
transaction: a commit that notifies waits for all others that do. What is missed is found by the next look.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Final

import sqlalchemy as sa

from tasks.ledger.sql import sessions
from tasks.ledger.sql.database import Database

CHANNEL: Final = "tutti_waiting"
LOOK_SECONDS: Final = 1.0  # between two looks where one is told
POLL_SECONDS: Final = 0.2  # behind a pooler, where nobody can be
FILE_SECONDS: Final = 0.05  # a look into a file on this machine costs little


class Bell:
    """Rings for those who wait on other machines; one thread waits, any rings."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._line: sa.PoolProxiedConnection | None = None
        self._engine: sa.Engine | None = None
        self._ended = threading.Event()

    def ring(self) -> None:
        """Say that jobs wait; where that fails they are found a little later."""
        if not self._database.sqlite:
            with contextlib.suppress(Exception), self._database.at_once() as connection:
                sessions.say(connection, f"NOTIFY {CHANNEL}")

    def wait(self) -> None:
        """Wait until there may be something, or until it is time to look."""
        if self._database.sqlite:
            self._ended.wait(FILE_SECONDS)
        elif (session := self._listening()) is None:
            self._ended.wait(POLL_SECONDS)
        else:
            try:
                for _ in session.notifies(timeout=LOOK_SECONDS, stop_after=1):
                    return
            except Exception:
                self._hang_up()

    def close(self) -> None:
        """Wait no more."""
        self._ended.set()
        self._hang_up()

    def _listening(self) -> Any:
        """A session that hears what is told; None where none can be had, as behind a pooler."""
        if self._line is None:
            try:
                self._line = self._listen()
            except Exception:
                return None
        return None if self._line is None else self._line.driver_connection

    def _listen(self) -> sa.PoolProxiedConnection | None:
        if self._engine is None:
            self._engine = sessions.engine(self._database.url, 1, sessions.Watch())
        line = self._engine.raw_connection()
        if line.record_info is None or line.record_info.get("pooled"):
            line.close()
            return None
        with contextlib.closing(line.cursor()) as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        return line

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(Exception):
                line.invalidate()
        if self._engine is not None:
            self._engine.dispose()
