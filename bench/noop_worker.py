"""A Celery worker whose jobs make nothing: `python -m bench.noop_worker ledger|bare NUMBER`.

`bare` only counts, with Celery and kombu as they come; `ledger` claims and finishes each job as Tutti's
worker does. Says "ready", then "done" after NUMBER jobs (0: never).
"""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

from celery import Celery
from celery.signals import worker_ready

from bench.cell import QUEUE
from tasks.jobs import Output
from tasks.ledger import Ledger, WorkerInfo
from tasks.queue.names import TASK, declare
from tasks.settings import settings
from tasks.worker.admission import Admission

THREADS = 64
NAME = "gpu0@bench"


class Counted:
    """Says when NUMBER jobs are done."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._lock = threading.Lock()

    def one(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                print("done", flush=True)


class LedgerJobs:
    """Claims and finishes; the lease is renewed beside it."""

    def __init__(self) -> None:
        self._ledger = Ledger(settings().ledger)
        info = WorkerInfo(
            id=NAME, node="bench", queues=(QUEUE,), engine="tone", model_version="1", slots=THREADS
        )
        self._epoch = self._ledger.workers.register(info)
        threading.Thread(target=self._renew, daemon=True).start()

    def __call__(self, job_id: str) -> None:
        job = self._ledger.workers.claim(job_id, NAME, self._epoch)
        if job:
            output = Output(name=f"{job_id}.wav", format="wav", seconds=5, bytes=1, sha256="0" * 64)
            self._ledger.workers.finish(job_id, job.attempt, NAME, self._epoch, [output])

    def _renew(self) -> None:
        pause = threading.Event()
        while not pause.wait(2):
            self._ledger.workers.renew(NAME, self._epoch)


def _app(kind: str) -> Celery:
    if kind == "bare":
        return Celery(broker=settings().broker, set_as_current=False)
    from tasks.queue.application import make_app  # replaces kombu's transport, which the bare worker keeps

    app = make_app(settings())
    app.tutti_host = SimpleNamespace(admission=Admission(THREADS))  # its consumer asks whether it can work
    return app


def main(kind: str, number: int) -> None:
    app = _app(kind)
    app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=1)
    app.conf.worker_redirect_stdouts = False  # what it says is read by the bench
    app.conf.task_queues = [declare(QUEUE, settings().broker)]
    counted = Counted(number)
    work = LedgerJobs() if kind == "ledger" else None

    @app.task(name=TASK, bind=True)
    def generate(task) -> None:
        if work:
            work(task.request.id)
        counted.one()

    worker_ready.connect(lambda **_: print("ready", flush=True), weak=False)
    options = {"pool": "threads", "concurrency": THREADS, "without_gossip": True, "without_mingle": True}
    app.Worker(
        queues=[QUEUE], hostname=NAME, task_events=False, loglevel="ERROR", quiet=True, **options
    ).start()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
