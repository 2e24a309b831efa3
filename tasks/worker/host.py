"""One worker: its device, its engine process, its lease in the ledger, and the jobs it runs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Final

import psutil

from observability import metrics
from observability.logging import get_logger
from tasks.cluster import Reporter
from tasks.engines import model_of
from tasks.jobs import ErrorClass, Job, JobError
from tasks.ledger import Ledger, LedgerUnavailable, Vitals, WorkerInfo
from tasks.queue.names import model_queue, served_by, worker_name
from tasks.settings import Settings
from tasks.storage.songs import Storage
from tasks.worker.admission import Admission
from tasks.worker.attempts import Attempt, Attempts
from tasks.worker.every import Every
from tasks.worker.lease import Lease
from tasks.worker.process import EngineProcess
from tasks.worker.vitals import find_device, measure

log = get_logger()

HEARTBEAT: Final = 15.0
STORAGE_LOOK: Final = 1.0
LEDGER_LOOK: Final = 0.25
SWEEP: Final = 3600.0
REPORT_LOOK: Final = 1.0
OBSTACLES: Final = {  # what each is called, and what it means
    "draining": ("draining", "it was told to end"),
    "cordoned": ("cordoned", None),
    "ledger": ("no ledger", "the ledger does not answer"),
    "storage": ("no storage", "songs cannot be written"),
    "engine": ("no engine", "the model does not load"),
}


class Host:
    """Everything of a worker but Celery: between `open` and `close`, threads run jobs on it."""

    def __init__(self, chosen: Settings, ledger: Ledger) -> None:
        self.settings = chosen
        self.ledger = ledger
        self.model = model_of(chosen)
        self.device = find_device(chosen)
        self.name = worker_name(chosen.node, self.device.index)
        shared = model_queue(self.model.name, self.model.version)
        self.queues = served_by(chosen.node, self.device.index, shared)
        # encoding and storing go on beside the engine's next songs
        self.threads = self.model.songs + max(1, self.model.songs // 4)
        self.storage = Storage(chosen.storage_path, timeout=chosen.storage_timeout, seen=chosen.storage_seen)
        self.admission = Admission(self.model.songs)
        self.runs = Attempts()
        self.engine = EngineProcess(chosen, self.device.environment)
        self._lease: Lease | None = None
        self._beats: list[Every] = []
        self._idle_since = time.monotonic()
        self._room: dict[str, float] = {}
        self._trouble: str | None = None  # with the storage
        self._reporter = Reporter(ledger, "worker", chosen.node, self.name)

    @property
    def lease(self) -> Lease:
        """The lease; there is one between `open` and `close`."""
        if self._lease is None:
            raise RuntimeError("this worker is not open")
        return self._lease

    def open(self) -> None:
        """Register in the ledger and begin to watch over engine and storage."""
        self._look_after_storage(self.storage.prepare)
        info = WorkerInfo(
            id=self.name,
            node=self.settings.node,
            queues=self.queues,
            engine=self.model.name,
            model_version=self.model.version,
            device=self.device.uuid or self.device.name,
            slots=self.model.songs,
        )
        self._lease = Lease(self.ledger, info, self.runs, self.vitals, self.settings.lease_seconds)
        self._report()  # one that is cordoned takes nothing, not even at first
        self._beats = [
            Every(HEARTBEAT, self.heartbeat, "heartbeat"),
            # apart: a hung NAS must not look like a dead worker
            Every(HEARTBEAT, self._check_storage, "room"),
            Every(1.0, self._unload_when_idle, "idle"),
            Every(LEDGER_LOOK, self._look_at_ledger, "ledger"),
            Every(STORAGE_LOOK, self._try_storage_again, "storage"),
            Every(SWEEP, self._sweep, "sweep"),
            Every(REPORT_LOOK, self._report, "report"),
        ]
        if self.settings.warm_up:
            self.engine.load()

    def close(self) -> None:
        """Leave the ledger and end the engine process."""
        for beat in self._beats:
            beat.stop(patience=0.2)
        if self._lease:
            self._lease.retire()
        self._reporter.leave()
        self.engine.close()

    def claim(self, job_id: str) -> Attempt | None:
        """Make a job this worker's own; None if it is not to be had: cancelled, running elsewhere, gone.

        Raises:
            LedgerUnavailable: Nobody can tell; no further jobs are taken until it answers.
        """
        epoch = self.lease.epoch
        try:
            job = self.ledger.workers.claim(job_id, self.name, epoch)
        except LedgerUnavailable:
            self.lease.doubt()
            self._look_at_ledger()
            raise
        if job is None:
            return None
        run = Attempt(
            job,
            epoch,
            engine=self.engine,
            admission=self.admission,
            deadline=self.settings.deadline_seconds,
            loading=self.settings.load_seconds,
            crashes=lambda: self._crashes(job_id),
        )
        self.runs.add(run)
        metrics.jobs_running.labels(self.name).set(len(self.runs))
        return run

    def _crashes(self, job_id: str) -> int:
        """How often an engine has died of this job alone."""
        try:
            return sum(line.reason == ErrorClass.ENGINE_CRASH for line in self.ledger.views.history(job_id))
        except LedgerUnavailable:
            return 0  # nor can it be failed now: its lease gives it back

    def release(self, run: Attempt) -> None:
        """Forget a run that has ended, one way or another."""
        self.runs.remove(run)
        metrics.jobs_running.labels(self.name).set(len(self.runs))
        self._idle_since = time.monotonic()

    def drain(self) -> None:
        """Take no more jobs; give back in time those that are not finished.

        The ledger is told first: whoever sent the signal may kill this process before it is done.
        """
        self.admission.close()
        threading.Thread(target=self._give_back_later, name="drain", daemon=True).start()

    def vitals(self) -> Vitals:
        """How the device is doing."""
        return measure(self.device, self.engine.pid, loaded=self.engine.loaded is not None)

    @property
    def state(self) -> tuple[str, str | None]:
        """How this worker is, in a word or two, and why it takes no jobs."""
        if obstacle := self.admission.obstacle:
            word, reason = OBSTACLES[obstacle]
            return word, self._trouble if obstacle == "storage" else self.engine.load_error or reason
        if not self.admission.has_broker:
            return "no broker", "there is no connection to the broker"
        return ("loading", self.engine.loading) if self.engine.is_loading else ("ready", None)

    def _report(self) -> None:
        """Tell the ledger how this worker is; hear whether it is cordoned."""
        state, reason = self.state
        self._reporter.report(state, reason, {"storage": self._room or {"error": self._trouble}})
        self.admission.cordoned(on=self._reporter.cordoned)

    def heartbeat(self) -> None:
        """One line and the gauges: what this worker is doing."""
        vitals = self.vitals()
        memory = vitals.gpu_memory_used or _resident(self.engine.pid)
        metrics.gpu_busy_ratio.labels(self.name).set(vitals.gpu_busy or 0.0)
        metrics.gpu_memory_bytes.labels(self.name).set(memory)
        metrics.worker_heartbeat_timestamp_seconds.labels(self.name).set_to_current_time()
        gpu = {"id": self.name, "busy": vitals.gpu_busy, "memory": memory, "temperature": vitals.temperature}
        worker = {
            "id": self.name,
            "running": len(self.runs),
            "oldest_running_seconds": round(self.runs.oldest(), 1),
            "model_loaded": vitals.model_loaded,
            "obstacle": self.admission.obstacle,
        }
        tutti = {
            "gpu": gpu,
            "worker": worker,
            "engine": self.model.name,
            "model": {"version": self.model.version},
            "storage": self._room,
        }
        log.info("worker.heartbeat", tutti=tutti)

    def _give_back_later(self) -> None:
        until = time.monotonic() + self.settings.drain_seconds
        with contextlib.suppress(LedgerUnavailable):
            self.ledger.workers.leave(self.name, self.lease.epoch)
        while self.runs.all() and time.monotonic() < until:
            time.sleep(0.05)
        for run in self.runs.all():
            self.give_back(run.job, run.epoch, "drained", alone=run.alone)
            run.interrupt("drained")
        self.engine.kill()

    def give_back(
        self, job: Job, epoch: int, reason: str, *, charged: bool = False, alone: bool = False
    ) -> bool:
        """Return a job to the queue, unreleased, in one transaction; False if it is not ours any more."""
        try:
            done = self.ledger.workers.hand_back(
                job.id, job.attempt, self.name, epoch, reason=reason, charged=charged, alone=alone
            )
        except LedgerUnavailable as error:
            log.warning("worker.ledger_unavailable", message=f"the lease gives the job back: {error}")
            return False
        if done:
            log.info("job.requeued", tutti={"job": {"id": job.id}, "attempt": job.attempt, "reason": reason})
        return done

    def _unload_when_idle(self) -> None:
        after = self.settings.idle_unload
        if self.engine.busy or len(self.runs):
            self._idle_since = time.monotonic()
        elif after and self.engine.loaded and time.monotonic() - self._idle_since >= after:
            log.info("worker.idle_unload", message="the model leaves the device until the next job")
            self.engine.unload()

    def _look_at_ledger(self) -> None:
        self.admission.ledger(works=self.lease.answered)

    def _try_storage_again(self) -> None:
        if self.admission.storage_fails:
            self._look_after_storage(self.storage.prepare, self.storage.check)

    def _check_storage(self) -> None:
        """Whether the NAS is there and how full it is, before a song finds out."""
        if not self.admission.storage_fails:
            self._look_after_storage(self.storage.check)

    def _measure_room(self) -> None:
        """How full the NAS is, for the next heartbeats; they say nothing of it while it does not answer."""
        try:
            free, total = self.storage.free(), self.storage.size()
        except JobError:
            self._room = {}
            return
        metrics.storage_free_bytes.set(free)
        metrics.storage_total_bytes.set(total)
        self._room = {"free_bytes": free, "total_bytes": total, "used_ratio": 1 - free / max(1, total)}

    def _sweep(self) -> None:
        """Delete what writers left who died; no write takes so long that it could be one of today's."""
        with contextlib.suppress(JobError):
            self.storage.sweep(older_than=SWEEP + 2 * self.settings.deadline_seconds)

    def _look_after_storage(self, *attempts: Callable[[], object]) -> None:
        try:
            for attempt in attempts:
                attempt()
            self._measure_room()
            self._trouble = None
            self.admission.storage(works=True)
        except JobError as error:
            self._trouble, self._room = error.detail, {}
            self.admission.storage(works=False)
            log.warning("worker.storage", message=error.detail, error={"class": error.error_class})


def _resident(pid: int | None) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except psutil.Error:
        return 0
