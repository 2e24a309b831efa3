"""The dispatcher's two loops, which meet in the ledger."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence

from observability.logging import get_logger
from tasks.dispatch.gone import GoneQueues
from tasks.dispatch.leader import LEASE_SECONDS, Leader
from tasks.dispatch.lost import LOST_SECONDS, LostAndFound
from tasks.dispatch.maintenance import Maintenance
from tasks.dispatch.queue_report import QueueReport
from tasks.dispatch.release import Pace, Releaser
from tasks.dispatch.service_report import ServiceReport
from tasks.ledger import Ledger, LedgerUnavailable, WorkerView
from tasks.queue.publisher import BrokerUnavailable, Publisher

log = get_logger()

UPKEEP_SECONDS = 1.0
STANDBY_PAUSE, MAINTAIN_PAUSE = 0.2, 0.1  # seconds between two rounds
IDLE_PAUSE, BUSY_PAUSE, TROUBLE_PAUSE = 0.05, 0.02, 0.5


class Dispatcher:
    """`watch` keeps the lease and looks after the ledger; `carry` speaks with the broker.

    Each does what is due and gives the seconds to pause. They run in threads of their own, so that a broker
    that hangs holds up nothing but its own messages.
    """

    def __init__(
        self,
        ledger: Ledger,
        publisher: Publisher,
        lease_seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._leader = Leader(ledger, lease_seconds, clock)
        self._maintenance = Maintenance(ledger, clock)
        self._releaser = Releaser(ledger, publisher, Pace(clock))
        self._lost = LostAndFound(ledger, publisher)
        self._queue_report = QueueReport()
        self._service_report = ServiceReport()
        self._gone: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._maintained_at = self._carried_at = float("-inf")
        self._gone_queues = GoneQueues(publisher, ledger.now, clock)
        self._workers: Sequence[WorkerView] = ()
        self._well_since: float | None = None
        self.broker_trouble: str | None = None  # why the broker does not take what it is sent
        self._ledger_was_away = False

    @property
    def leads(self) -> bool:
        """Whether this is the active dispatcher."""
        return self._leader.leads

    def maintain(self) -> float:
        """One round of what must not wait for the broker: the lease, expiries, moves."""
        try:
            if not self._leader.hold():
                return STANDBY_PAUSE
            if self._clock() - self._maintained_at >= UPKEEP_SECONDS:
                self._keep_up()
                self._maintained_at = self._clock()
        except LedgerUnavailable:
            self._ledger_was_away = True
            raise
        return MAINTAIN_PAUSE

    def _keep_up(self) -> None:
        self._workers = workers = self._ledger.views.workers()  # before the silent are taken for dead
        if self._ledger_was_away or self._leader.after_a_gap:
            self._ledger_was_away = self._leader.after_a_gap = False
            self._maintenance.hear_everyone()
        self._service_report.note(workers)
        for name in self._maintenance.run(workers):
            self._gone.put(name)
        if self._queue_report.due:
            self._queue_report.log_due(self._ledger.views.queues())
        self._service_report.log_due(self._ledger)

    def carry(self) -> float:
        """One round with the broker, for the active dispatcher alone."""
        if not self._leader.leads:
            self._releaser.forget()
            return IDLE_PAUSE
        try:
            if self._clock() - self._carried_at >= UPKEEP_SECONDS:
                self._tidy()
                self._carried_at = self._clock()
            sent = self._releaser.publish_next(self._maintenance.fleet)
        except BrokerUnavailable as error:
            self._well_since, self.broker_trouble = None, str(error)
            log.warning("broker.unavailable", message=f"jobs wait in the ledger: {error}")
            return TROUBLE_PAUSE
        self.broker_trouble = None
        if sent:
            return BUSY_PAUSE
        self._ledger.dispatch.wait()
        return 0.0

    def leave(self) -> None:
        """Let a standby take over at once."""
        self._leader.leave()

    def _tidy(self) -> None:
        self._releaser.renew()
        self._lost.empty(self._drain())
        self._lost.take_back_dead_letters()
        self._gone_queues.delete_due(self._workers)
        # What hung in a broker that has just come back is delivered now: not lost.
        if self._well_since is None:
            self._well_since = self._clock()
        if self._clock() - self._well_since >= LOST_SECONDS:
            self._take_back_lost()

    def _take_back_lost(self) -> None:
        if self._maintenance.waiting:
            self._lost.take_back_lost(self._maintenance.fleet)

    def _drain(self) -> Iterator[str]:
        while not self._gone.empty():
            yield self._gone.get()
