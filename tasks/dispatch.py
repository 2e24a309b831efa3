"""The dispatcher: releases the next fair jobs to the broker, and takes back what was lost.

One is active, by a lease in the ledger; others stand by. It keeps nothing that matters: when it dies, another
finds everything in the ledger.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence

from observability.logging import configure, get_logger
from observability.tracing import trace_id
from tasks import canary
from tasks.app import make_app
from tasks.jobs import ErrorClass, JobError
from tasks.ledger import Freed, Ledger, LedgerUnavailable, Release, WorkerView
from tasks.ledger.canary import CanaryTable
from tasks.ledger.operating import opened
from tasks.publish import BrokerUnavailable, Publisher
from tasks.report import QueueReport
from tasks.settings import Settings
from tasks.standing import StandingReport
from tasks.storage import Storage

log = get_logger()

LEASE = "dispatcher"
LEASE_SECONDS = 5.0
UPKEEP_SECONDS = 1.0
IDLE_PAUSE, BUSY_PAUSE, TROUBLE_PAUSE = 0.05, 0.02, 0.5  # seconds between two rounds
AHEAD_SECONDS = 0.25  # of work at the present pace, beyond one job a slot
AFFINITY_SECONDS = 4.0  # then anybody may take a job meant for one machine
LOST_SECONDS = 3.0  # released and unclaimed for so long beside an idle slot: the message was lost
ORPHANED_SECONDS = 30.0  # then a model version without workers gives its jobs to another version
RETENTION_SECONDS = 300.0
OLD_AT_ONCE = 100
DAY = 86_400.0


class Dispatcher:
    """Rounds of release and upkeep; `turn` makes one and says how long to pause."""

    def __init__(self, ledger: Ledger, publisher: Publisher, lease_seconds: float = LEASE_SECONDS) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._lease = lease_seconds
        self._leads_until = float("-inf")
        self._asked_at = float("-inf")
        self._kept_up_at = float("-inf")
        self._fleet = Fleet([])
        self._pace = Pace()
        self._report = QueueReport()
        self._standing = StandingReport()
        self._unsent: Sequence[Release] = ()

    def turn(self) -> float:
        """Do what is due; the pause until the next turn in seconds comes back."""
        if not self._leading():
            return IDLE_PAUSE * 4
        if time.monotonic() - self._kept_up_at >= UPKEEP_SECONDS:
            self._keep_up()
            self._kept_up_at = time.monotonic()
        try:
            return BUSY_PAUSE if self._release() else IDLE_PAUSE
        except BrokerUnavailable as error:
            log.warning("broker.unavailable", message=f"jobs wait in the ledger: {error}")
            return TROUBLE_PAUSE

    def close(self) -> None:
        """Let a standby take over at once."""
        self._publisher.close()
        if self._leads_until > time.monotonic():
            self._ledger.leave(LEASE)

    def _leading(self) -> bool:
        now = time.monotonic()
        if now - self._asked_at < self._lease / 3:
            return now < self._leads_until
        led, self._asked_at = now < self._leads_until, now
        leads = self._ledger.lead(LEASE, self._lease)
        self._leads_until = now + self._lease if leads else float("-inf")
        if leads and not led:
            self._unsent = ()  # what another's absence left unclaimed is taken back by the rule for lost ones
            log.info("dispatcher.leads", message="this dispatcher is the active one")
        return leads

    def _release(self) -> int:
        """Publish what was left over, then what is next; how many were sent comes back."""
        if not self._unsent:
            self._unsent = self._ledger.release(self._window)
        sent = len(self._unsent)
        if sent:
            self._publisher.publish(self._unsent)
            self._pace.note(self._unsent)
            self._unsent = ()
        return sent

    def _window(self, queue: str) -> int:
        return max(self._fleet.slots(queue), 1) + self._pace.ahead(queue)

    def _keep_up(self) -> None:
        workers = self._ledger.workers()  # before the silent ones are taken for dead
        self._standing.note(workers)
        _tell_freed(self._ledger.expire_workers())
        _tell_late(self._ledger.expire_deadlines())
        self._ledger.release_orphans()
        self._fleet = self._fleet.next(workers)
        self._pace.renew()
        self._move_on()
        self._take_back_lost()
        self._take_back_dead_letters()
        self._report.tell(self._ledger.queues())
        self._standing.tell(self._ledger)

    def _move_on(self) -> None:
        """Away from machines that are gone or do not take it in time, and from versions nobody runs."""
        for queue in self._ledger.machine_queues():
            served = self._fleet.slots(queue) > 0
            moved = self._ledger.to_shared(queue, waited=AFFINITY_SECONDS if served else None)
            if moved and not served:
                self._empty(queue)
        waiting = [queue for queue in self._ledger.waiting_queues() if "@" in queue]
        for queue, other in self._fleet.orphaned(waiting):
            moved = self._ledger.to_version(queue, other)
            message = f"{len(moved)} jobs go from {queue}, which nobody serves, to {other}"
            log.warning("queue.moved", message=message)

    def _empty(self, queue: str) -> None:
        try:
            self._publisher.purge(queue)
        except BrokerUnavailable:
            log.debug("queue.not_emptied", message=f"{queue} keeps messages that nobody will heed")

    def _take_back_lost(self) -> None:
        for view in self._ledger.queues():
            if view.released and self._fleet.idle_seconds(view.name) >= LOST_SECONDS:
                lost = self._ledger.unrelease_stale(view.name, LOST_SECONDS)
                if lost:
                    log.warning(
                        "queue.lost",
                        tutti={"queue": view.name},
                        message=f"{len(lost)} jobs go out again",
                    )

    def _take_back_dead_letters(self) -> None:
        try:
            dead = self._publisher.dead_letters()
        except BrokerUnavailable:
            return
        if dead:
            self._ledger.unrelease(dead)
            log.warning("queue.dead_letters", message=f"{len(dead)} jobs were delivered too often; once more")


class Fleet:
    """The workers as they were last seen: who serves what, and since when a slot was free without a pause."""

    def __init__(self, workers: Sequence[WorkerView]) -> None:
        self._slots: Counter[str] = Counter()
        self._idle_since: dict[str, float] = {}
        self._unserved_since: dict[str, float] = {}
        self._now = time.monotonic()
        for worker in workers:
            if worker.alive:
                self._add(worker)

    def _add(self, worker: WorkerView) -> None:
        for queue in worker.queues:
            self._slots[queue] += worker.slots
            if worker.running < worker.slots:
                self._idle_since[queue] = self._now

    def next(self, workers: Sequence[WorkerView]) -> Fleet:
        """The fleet as it is now, with what is known of its past."""
        fresh = Fleet(workers)
        for queue in fresh._idle_since:
            fresh._idle_since[queue] = self._idle_since.get(queue, fresh._now)
        fresh._unserved_since = self._unserved_since
        return fresh

    def slots(self, queue: str) -> int:
        """How many jobs the workers of a queue run at once."""
        return self._slots[queue]

    def idle_seconds(self, queue: str) -> float:
        """For how long a worker of the queue has had room."""
        return self._now - self._idle_since.get(queue, self._now)

    def orphaned(self, queues: Sequence[str]) -> list[tuple[str, str]]:
        """The model queues nobody has served for long, each with a served one of the same model."""
        unserved = [queue for queue in queues if not self._slots[queue]]
        self._unserved_since = {queue: self._unserved_since.get(queue, self._now) for queue in unserved}
        pairs = []
        for queue in unserved:
            other = self._same_model(queue)
            if other and self._now - self._unserved_since[queue] >= ORPHANED_SECONDS:
                pairs.append((queue, other))
        return pairs

    def _same_model(self, queue: str) -> str | None:
        prefix = queue.split("@", 1)[0] + "@"
        return max((name for name in self._slots if name.startswith(prefix)), default=None)


class Pace:
    """How many jobs a queue takes a second: short jobs need more of them ahead to keep a worker fed."""

    def __init__(self) -> None:
        self._sent: Counter[str] = Counter()
        self._rates: dict[str, float] = {}
        self._since = time.monotonic()

    def note(self, releases: Sequence[Release]) -> None:
        """Count what was sent."""
        self._sent.update(release.queue for release in releases)

    def renew(self) -> None:
        """Take the rates of the time since the last call."""
        seconds = max(time.monotonic() - self._since, 1e-3)
        self._rates = {queue: number / seconds for queue, number in self._sent.items()}
        self._sent.clear()
        self._since = time.monotonic()

    def ahead(self, queue: str) -> int:
        """How many jobs go by in the time we look ahead; 0 where a job takes seconds."""
        return int(self._rates.get(queue, 0.0) * AHEAD_SECONDS)


class Keeper:
    """Deletes old songs: those of a certain age, and the oldest while the disk is too full."""

    def __init__(self, ledger: Ledger, storage: Storage, days: float, share: float) -> None:
        self._ledger = ledger
        self._storage = storage
        self._days = days
        self._share = share
        self._at = float("-inf")

    def turn(self) -> None:
        """Look every few minutes."""
        if time.monotonic() - self._at < RETENTION_SECONDS:
            return
        self._at = time.monotonic()
        try:
            self.expire()
        except JobError as error:
            log.warning("storage.not_tidied", message=error.detail)

    def expire(self) -> int:
        """Delete what is too old or too much; the number of jobs that lost their audio comes back."""
        self._storage.sweep()
        number = self._all_older(self._days * DAY)
        while self._storage.used_share() > self._share:
            more = self._ledger.retention(self._storage.remove, 0.0, OLD_AT_ONCE)
            number += more
            if not more:
                log.warning("storage.full", message="other files fill the disk more than songs may")
                break
        return number

    def _all_older(self, seconds: float) -> int:
        number = 0
        while more := self._ledger.retention(self._storage.remove, seconds, OLD_AT_ONCE):
            number += more
        return number


def _tell_freed(freed: Sequence[Freed]) -> None:
    for job in freed:
        fields = {"job": {"id": job.job_id}, "attempt": job.attempt}
        trace = {"id": trace_id(job.traceparent)} if job.traceparent else {}
        if job.failed:
            fields["error"] = {"class": ErrorClass.WORKER_LOST}
            log.error("job.failed", event={"outcome": "failure"}, trace=trace, tutti=fields)
        else:
            log.warning("job.requeued", trace=trace, tutti=fields | {"reason": "worker_lost"})


def _tell_late(job_ids: Sequence[str]) -> None:
    for job_id in job_ids:
        fields = {"job": {"id": job_id}, "error": {"class": ErrorClass.DEADLINE}}
        log.error("job.failed", event={"outcome": "failure"}, tutti=fields)


def run(settings: Settings) -> int:
    """Dispatch until SIGTERM or SIGINT.

    Returns:
        The exit code.
    """
    configure(service="tutti-dispatch", path=settings.log_path / "worker.jsonl", level=settings.log_level)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ledger = Ledger.of(settings)
    storage = Storage(settings.storage_path)
    dispatcher = Dispatcher(ledger, Publisher(make_app(settings), settings.broker))
    keeper = Keeper(ledger, storage, settings.keep_days, settings.keep_share)
    tidying = threading.Thread(target=_tidy, args=(keeper, ended), name="retention", daemon=True)
    tidying.start()
    lanes = CanaryTable(opened(settings.ledger))
    threading.Thread(target=canary.watch, args=(lanes, ended), name="canary", daemon=True).start()
    while not ended.wait(_turn(dispatcher)):
        pass
    _close(dispatcher)
    ledger.close()
    return 0


def _turn(dispatcher: Dispatcher) -> float:
    try:
        return dispatcher.turn()
    except LedgerUnavailable as error:
        log.warning("dispatcher.ledger_unavailable", message=str(error))
        return TROUBLE_PAUSE


def _close(dispatcher: Dispatcher) -> None:
    try:
        dispatcher.close()
    except LedgerUnavailable:
        log.warning("dispatcher.ledger_unavailable", message="a standby takes over when the lease ends")


def _tidy(keeper: Keeper, ended: threading.Event) -> None:
    while not ended.wait(1.0):
        try:
            keeper.turn()
        except LedgerUnavailable as error:
            log.warning("dispatcher.ledger_unavailable", message=str(error))
