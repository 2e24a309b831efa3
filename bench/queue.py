"""No-op jobs a second from accept to their final state, beside bare Celery in the same run.

Both consume with a Celery worker of 64 threads, late acks and prefetch 1 from the same broker; bare Celery by
kombu's own transport, ours by `tasks.queue.transport`. Bare Celery publishes by kombu's batch, which is its
fastest way. Runs alternate; the median of each is told.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import wait

from bench.cell import QUEUE, Cell, cell
from tasks.jobs import JobRequest, new_job_id
from tasks.ledger import Ledger, NewJob, Release
from tasks.queue.application import make_app
from tasks.queue.publisher import Publisher
from tasks.settings import Settings

JOBS = 3_000
ROUNDS = 3
WARM = 100
LIMIT = 120.0  # seconds


def main() -> None:
    ours, bare = [], []
    for _ in range(ROUNDS):
        with cell() as made:
            bare.append(_bare(made))
        with cell() as made:
            ours.append(_ours(made))
    rate, cpu = (statistics.median(values) for values in zip(*ours, strict=True))
    peer, peer_cpu = (statistics.median(values) for values in zip(*bare, strict=True))
    print(f"{JOBS} no-op jobs, median of {ROUNDS}")
    print(f"bare Celery                  {peer:8.0f} jobs/s   {peer_cpu * 1e3:6.2f} ms CPU a job")
    print(f"accept to final state        {rate:8.0f} jobs/s   {cpu * 1e3:6.2f} ms CPU a job")
    print(f"ratio                        {rate / peer:8.2f}            (asked: 0.5, 2 ms)")


def _bare(made: Cell, jobs: int = JOBS) -> tuple[float, float]:
    worker = made.start("bench.noop_worker", "bare", str(jobs))
    _expect(worker, "ready")
    broker = made.environment["TUTTI_BROKER_URL"]
    publisher = Publisher(make_app(Settings(broker_url=broker)), broker)
    releases = [Release(job_id=new_job_id("a"), queue=QUEUE) for _ in range(jobs)]
    cpu, began = made.cpu_seconds(), time.perf_counter()
    publisher.publish(releases)
    _expect(worker, "done")
    seconds = time.perf_counter() - began
    spent = made.cpu_seconds() - cpu
    publisher.close()
    return jobs / seconds, spent / jobs


def _ours(made: Cell) -> tuple[float, float]:
    worker = made.start("bench.noop_worker", "ledger", "0")
    made.start("compose.cli", "dispatch")
    _expect(worker, "ready")
    with Ledger(made.ledger_url) as ledger:
        _through(ledger, WARM, WARM)  # so that the dispatcher's start is not counted
        cpu, began = made.cpu_seconds(), time.perf_counter()
        _through(ledger, JOBS, WARM + JOBS)
        seconds = time.perf_counter() - began
        return JOBS / seconds, (made.cpu_seconds() - cpu) / JOBS


def _through(ledger: Ledger, number: int, total: int) -> None:
    """Accept jobs, and wait until `total` have succeeded since the beginning."""
    request = JobRequest(prompt="a plain tone", duration=5)
    new = (NewJob(id=new_job_id("a"), request=request, model_queue=QUEUE) for _ in range(number))
    wait([ledger.submissions.accept(one) for one in new])
    until = time.monotonic() + LIMIT
    while ledger.views.counters().get("succeeded", 0) < total:
        if time.monotonic() > until:
            raise TimeoutError(f"{ledger.views.counters()} after {LIMIT} s")
        time.sleep(0.02)


def _expect(process, word: str) -> None:
    line = process.stdout.readline().strip()
    if line != word:
        raise RuntimeError(f"the worker said {line!r} rather than {word!r}")


if __name__ == "__main__":
    main()
