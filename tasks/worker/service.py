"""The Celery side of a worker: takes job ids from its queues, and stops as `tutti worker` has to."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any, Final

from celery import Celery
from celery.exceptions import Reject
from celery.signals import worker_shutting_down
from celery.worker.control import control_command

from observability import metrics
from observability.logging import configure, get_logger
from tasks.cluster import open_ledger
from tasks.ledger import LedgerUnavailable
from tasks.queue.application import make_app
from tasks.queue.control import CANCEL
from tasks.queue.names import TASK, declare, is_rabbitmq
from tasks.security.folders import claim
from tasks.settings import Settings
from tasks.worker.admission import NotNow
from tasks.worker.generate import generate
from tasks.worker.host import Host

log = get_logger()

STUCK: Final = 5.0  # seconds after the drain for threads that hang in a system call
ALREADY: Final = 75  # EX_TEMPFAIL


def serve(chosen: Settings) -> int:
    """Run the worker in this thread until it is told to stop."""
    claim(chosen)
    configure("tutti-worker", chosen.log_file("worker.jsonl"), chosen.log_level)
    logging.getLogger("celery").setLevel(logging.WARNING)  # our own lines say what became of each job
    with contextlib.ExitStack() as stack:
        ledger = open_ledger(chosen, connections=1)
        stack.callback(ledger.close)
        host = Host(chosen, ledger)
        if not stack.enter_context(_only_one(chosen, host.name)):
            sys.stderr.write(f"a worker {host.name} runs already; give another TUTTI_DEVICE\n")
            return ALREADY
        if chosen.worker_metrics_port is not None:
            port = chosen.worker_metrics_port + host.device.index
            stack.callback(metrics.serve(port, chosen.metrics_host, metrics.WORKER)[0])
        host.open()
        stack.callback(host.close)
        log.info("worker.started", message=f"{host.name} serves {', '.join(host.queues)}")
        return _consume(host)


def _consume(host: Host) -> int:
    app = _app(host)
    drain = _Drain(host)
    worker_shutting_down.connect(drain, weak=False)
    worker = app.Worker(
        hostname=host.name,
        queues=list(host.queues),
        concurrency=host.threads,
        pool="threads",
        task_events=True,
        without_gossip=True,  # workers have nothing to say to each other; the ledger knows them all
        without_mingle=True,
        loglevel="WARNING",
        quiet=True,
    )
    try:
        worker.start()
    finally:
        worker_shutting_down.disconnect(drain)
    return int(worker.exitcode or 0)


def _app(host: Host) -> Celery:
    """The application with this worker's task and queues."""
    app = make_app(host.settings)
    broker = host.settings.broker
    app.conf.task_queues = [*app.conf.task_queues, *(declare(name, broker) for name in host.queues)]
    if is_rabbitmq(broker):  # all that a worker publishes is events: its loop waits for no answer to them
        app.conf.broker_transport_options = app.conf.broker_transport_options | {"confirm_publish": False}
    app.tutti_host = host
    # Valkey hands a message that is put back to whoever waits. RabbitMQ would count a failed delivery, so
    # there the ledger is told, and the dispatcher releases the job again.
    put_back = not is_rabbitmq(broker)

    @app.task(name=TASK, bind=True)  # type: ignore[untyped-decorator]
    def run_job(task: Any) -> None:
        try:
            generate(host, task.request.id)
        except LedgerUnavailable as error:  # not begun: it is for a worker that reaches the ledger
            raise Reject(str(error), requeue=True) from error
        except NotNow as obstacle:
            if put_back or not _declined(host, task.request.id):
                raise Reject(str(obstacle), requeue=True) from obstacle

    return app


def _declined(host: Host, job_id: str) -> bool:
    """Whether the ledger could be told that a job is to be released once more."""
    if host.admission.obstacle == "ledger":
        return False
    try:
        host.ledger.workers.decline(job_id)
    except LedgerUnavailable:
        return False
    return True


@control_command(name=CANCEL, args=[("job_id", str)], signature="<job_id>")  # type: ignore[untyped-decorator]
def _cancel(state: Any, job_id: str) -> dict[str, bool]:
    """End a running job within one step, because a person wants that."""
    host: Host = state.app.tutti_host
    return {"ok": host.runs.cancel(job_id)}


class _Drain:
    """Reacts to the first signal. It runs inside a signal handler, so it only starts threads."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._begun = False

    def __call__(self, **_: object) -> None:
        if self._begun:
            return
        self._begun = True
        self._host.drain()
        last = threading.Timer(self._host.settings.drain_seconds + STUCK, self._end)
        last.daemon = True
        last.start()

    def _end(self) -> None:
        """Everything is given back, but threads hang in a NAS that does not answer: end without them."""
        log.warning("worker.forced_end", message="some threads hang; the worker ends without them")
        self._host.lease.retire()
        os._exit(0)


@contextlib.contextmanager
def _only_one(chosen: Settings, name: str) -> Iterator[bool]:
    """Whether this is the only worker of that name here: two would take each other's lease for ever."""
    file: IO[str]
    with (chosen.run_path / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
