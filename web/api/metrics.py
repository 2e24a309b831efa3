"""Prometheus' metrics of this process; on one machine, of all its parts."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from observability import metrics
from observability.certificate import ends_at
from tasks import cluster, ends
from tasks.cluster import STATES, ClusterView
from tasks.ledger import QueueView, WorkerView
from web.request.keeper import require_keeper
from web.request.state import AppState, app_state

router = APIRouter(tags=["health"])

MISSED_SECONDS = 3600.0  # so long a lost worker is shown, and missed; then it is thought to be gone for good


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
async def prometheus(request: Request) -> Response:
    """Prometheus' text format, for keepers only."""
    state = app_state(request)
    await require_keeper(request)
    others = await asyncio.to_thread(_measure, state)
    body, media_type = metrics.render(metrics.WEB, others)
    return Response(body, headers={"content-type": media_type, "cache-control": "no-store"})


def _measure(state: AppState) -> CollectorRegistry:
    """Bring this process's gauges up to date; what it shows beside them comes back."""
    views = state.ledger.views
    counters, seen = views.counters(), cluster.survey(state.ledger)
    workers = _missed(seen.workers, state.ledger.now())
    metrics.jobs_open.set(sum(counters.get(state, 0) for state in ("queued", "running")))
    _show_cluster(seen)
    metrics.worker_heartbeat_timestamp_seconds.clear()
    for worker in workers:
        metrics.worker_heartbeat_timestamp_seconds.labels(worker.id).set(worker.seen_at)
    if state.settings.tls_certificate:
        with suppress(OSError):  # nginx may be away; the last answer stays
            metrics.certificate_expiry.set(ends_at(state.settings.own_host, state.settings.port))
    usage = shutil.disk_usage(state.settings.storage_path)
    metrics.storage_free_bytes.set(usage.free)
    metrics.storage_total_bytes.set(usage.total)
    if not state.settings.counts_for_all:
        return metrics.ENDS
    machine = CollectorRegistry()
    machine.register(MachineMetrics(counters, workers))
    return machine


def _show_cluster(seen: ClusterView) -> None:
    """The gauges of all hosts. What is empty is shown as 0: a series that ends is no news of a queue."""
    held = {view.name: view for view in seen.queues}
    served = {queue for worker in seen.workers for queue in worker.queues if worker.alive}
    _shown.update(served, held)
    for name in _shown:
        view = held.get(name, QueueView(name=name))
        metrics.queue_depth.labels(name).set(view.waiting + view.released)
        metrics.oldest_queued_seconds.labels(name).set(view.oldest_seconds)
    for kind in STATES:
        for word, number in seen.count(kind).items():
            if kind == "worker":
                metrics.workers.labels(word).set(number)
            else:
                metrics.parts.labels(kind, word).set(number)
    alive = [worker for worker in seen.workers if worker.alive and worker.queues]
    taken = sum(worker.running for worker in alive)
    metrics.worker_slots.labels("yes").set(taken)
    metrics.worker_slots.labels("no").set(sum(worker.slots for worker in alive) - taken)


_shown: set[str] = set()  # every queue that this process has seen


def _missed(workers: Sequence[WorkerView], now: float) -> Sequence[WorkerView]:
    """The workers that live, or are missed."""
    return [worker for worker in workers if not worker.retired and now - worker.seen_at < MISSED_SECONDS]


class MachineMetrics(Collector):
    """What the ledger knows of the dispatcher's and the workers' metrics, where they show none themselves.

    Args:
        counters: The ledger's.
        workers: Those that are not gone for good.
    """

    def __init__(self, counters: Mapping[str, int], workers: Sequence[WorkerView]) -> None:
        self._counters = counters
        self._workers = [worker for worker in workers if worker.alive]

    def collect(self) -> Iterator[Metric]:
        """Give each metric under the name and with the labels that its own part shows it."""
        (jobs,) = metrics.jobs.describe()
        ended = CounterMetricFamily(jobs.name, jobs.documentation, labels=metrics.END)
        for labels, number in ends.counted(self._counters):
            ended.add_metric(labels, number)
        yield ended
        for gauge, attribute in (
            (metrics.jobs_running, "running"),
            (metrics.gpu_busy_ratio, "gpu_busy"),
            (metrics.gpu_memory_bytes, "gpu_memory_used"),
        ):
            (described,) = gauge.describe()
            family = GaugeMetricFamily(described.name, described.documentation, labels=["gpu"])
            for worker in self._workers:
                if (value := getattr(worker, attribute)) is not None:
                    family.add_metric([worker.id], value)
            yield family
