"""How a part begins: its ledger may not be there yet, or not migrated, and then the part waits and says so.

Container engines start everything at once, and in no order. A part that ended would be started anew after
longer and longer pauses; one that waits goes on a moment after the ledger can be used.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import Final

from observability.logging import get_logger
from tasks.ledger import CONNECTIONS, Ledger, LedgerUnavailable
from tasks.settings import Settings

log = get_logger()

PAUSE: Final = 1.0  # seconds between two tries
SAY_AGAIN: Final = 30.0


def open_ledger(settings: Settings, connections: int = CONNECTIONS) -> Ledger:
    """Open the ledger; one on a server is waited for, until SIGTERM or SIGINT ends the process.

    Args:
        settings: All settings.
        connections: To a database server at most.

    Raises:
        LedgerUnavailable: It is a file, and cannot be opened: nobody else will mend that.
        SystemExit: The process was told to end.
    """
    if settings.ledger.get_backend_name() == "sqlite":
        return Ledger.of(settings, connections)
    said, said_at = "", float("-inf")
    with _ended_by_signals():
        while True:
            try:
                ledger = Ledger.of(settings, connections)
            except LedgerUnavailable as error:
                reason = str(error)
            else:
                if said:
                    log.info("ledger.found", message="the ledger can be used; this part begins")
                return ledger
            if reason != said or time.monotonic() - said_at > SAY_AGAIN:
                said, said_at = reason, time.monotonic()
                log.error("ledger.awaited", message=f"waits for the ledger: {reason}")
            time.sleep(PAUSE)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """In a container's first process a signal without a handler is ignored."""
    before = {
        number: signal.signal(number, lambda *_: sys.exit(0)) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
