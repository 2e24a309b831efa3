"""Which dispatcher is the active one: a lease in the ledger, prolonged well before it ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from observability.logging import get_logger
from tasks.ledger import Ledger

log = get_logger()

LEASE = "dispatcher"
LEASE_SECONDS = 5.0


class Leader:
    """This process's hold on the lease. One thread calls `turn`; any may look whether it `leads`."""

    def __init__(
        self, ledger: Ledger, seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger = ledger
        self._seconds = seconds
        self._clock = clock
        self._until = float("-inf")
        self._asked_at = float("-inf")
        self.after_a_gap = False  # whether nobody led for a while before this process did

    @property
    def leads(self) -> bool:
        """Whether the lease holds at this moment, by this machine's own clock."""
        return self._clock() < self._until

    def hold(self) -> bool:
        """Take or prolong the lease where it is time to; whether this process leads."""
        now = self._clock()
        if now - self._asked_at < self._seconds / 3:
            return self.leads
        led, self._asked_at = self.leads, now
        unled = 0.0 if led else self._ledger.dispatch.unled_seconds(LEASE)
        leads = self._ledger.dispatch.lead(LEASE, self._seconds)
        self._until = now + self._seconds if leads else float("-inf")
        if leads and not led:
            self.after_a_gap = unled > self._seconds
            log.info("dispatcher.leads", message="this dispatcher is the active one")
        return leads

    def leave(self) -> None:
        """Let a standby take over at once."""
        led, self._until = self.leads, float("-inf")
        if led:
            self._ledger.dispatch.leave(LEASE)
