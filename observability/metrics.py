"""Prometheus metrics of all parts, under the names of the design. No label ever holds a prompt or an address.

Each process shows what it has and nothing else: a registry says which those are. The web app answers
`/metrics`; workers, the dispatcher and the shipper `serve` theirs where a setting names a port.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.registry import Collector

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
FACTORS = (0.1, 0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
END = ("state", "error_class", "ours")
"""Labels of the count of ends; `ours` is `true` where the service failed, `false` where a person ended it."""

WEB, WORKER, DISPATCH, SHIP = (CollectorRegistry() for _ in range(4))
EVERY = (WEB, WORKER, DISPATCH, SHIP)
ENDS = CollectorRegistry()
"""The ends that a web process itself knows: songs from the cache."""

M = TypeVar("M", bound=Collector)


def _of(metric: M, *registries: CollectorRegistry) -> M:
    for registry in registries:
        registry.register(metric)
    return metric


for _about_the_process in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
    _of(_about_the_process, *EVERY)

jobs = _of(Counter("tutti_jobs", "Jobs that reached a final state.", END), ENDS, WORKER, DISPATCH)

jobs_accepted = _of(Counter("tutti_jobs_accepted", "Jobs answered 202."), WEB)
jobs_refused = _of(Counter("tutti_jobs_refused", "Job requests refused, by reason.", ["reason"]), WEB)
jobs_open = _of(Gauge("tutti_jobs_open", "Jobs accepted and not yet final."), WEB)
queue_depth = _of(Gauge("tutti_queue_depth", "Jobs that wait, by queue.", ["queue"]), WEB)
oldest_queued_seconds = _of(
    Gauge("tutti_oldest_queued_seconds", "Age of the oldest waiting job.", ["queue"]), WEB
)
cache_requests = _of(Counter("tutti_cache_requests", "Look-ups of finished audio.", ["result"]), WEB)
http_requests = _of(Counter("tutti_http_requests", "Answers, by route.", ["method", "route", "status"]), WEB)
http_seconds = _of(
    Histogram("tutti_http_seconds", "From request to answer.", ["route"], buckets=SECONDS), WEB
)
certificate_expiry = _of(
    Gauge("tutti_certificate_expiry_timestamp_seconds", "When the TLS certificate ends."), WEB
)

queue_wait_seconds = _of(
    Histogram("tutti_queue_wait_seconds", "From accepted to claimed.", buckets=SECONDS), WORKER
)
jobs_running = _of(Gauge("tutti_jobs_running", "Jobs being made now.", ["gpu"]), WORKER)
stage_seconds = _of(
    Histogram("tutti_stage_seconds", "Time in one stage of a job.", ["stage"], buckets=SECONDS), WORKER
)
realtime_factor = _of(
    Histogram("tutti_realtime_factor", "Seconds of audio per second of making.", buckets=FACTORS), WORKER
)
batch_size = _of(Histogram("tutti_batch_size", "Jobs advanced together.", buckets=BATCHES), WORKER)
gpu_busy_ratio = _of(
    Gauge("tutti_gpu_busy_ratio", "Share of the last seconds a device worked.", ["gpu"]), WORKER
)
gpu_memory_bytes = _of(Gauge("tutti_gpu_memory_bytes", "Device memory in use.", ["gpu"]), WORKER)
storage_write_seconds = _of(
    Histogram("tutti_storage_write_seconds", "Publishing one file.", buckets=SECONDS), WORKER
)
storage_errors = _of(
    Counter("tutti_storage_errors", "Failed writes, by error class.", ["error_class"]), WORKER
)

worker_heartbeat_timestamp_seconds = _of(
    Gauge("tutti_worker_heartbeat_timestamp_seconds", "When a worker last gave a sign of life.", ["worker"]),
    WEB,
    WORKER,
)
workers = _of(Gauge("tutti_workers", "Workers, by state, as all of them see it.", ["state"]), WEB)
worker_slots = _of(Gauge("tutti_worker_slots", "Jobs that the workers can run at once.", ["taken"]), WEB)
parts = _of(Gauge("tutti_parts", "Other parts, by kind and state.", ["kind", "state"]), WEB)
storage_free_bytes = _of(Gauge("tutti_storage_free_bytes", "Room left on the NAS."), WEB, WORKER)
storage_total_bytes = _of(Gauge("tutti_storage_total_bytes", "Size of the NAS."), WEB, WORKER)

dispatcher_leads = _of(
    Gauge("tutti_dispatcher_leads", "1 in the active dispatcher, 0 in a standby."), DISPATCH
)

log_unshipped_deleted = _of(
    Counter("tutti_log_unshipped_deleted_bytes", "Bytes of log files deleted before they were shipped."),
    *EVERY,
)
log_dropped = _of(Counter("tutti_log_dropped_lines", "Log lines that could not be written."), *EVERY)

shipper_lines = _of(Counter("tutti_shipper_lines", "Lines of the shipper, by result.", ["result"]), SHIP)
shipper_unacknowledged_seconds = _of(
    Gauge("tutti_shipper_unacknowledged_seconds", "Age of the oldest line read and not yet acknowledged."),
    SHIP,
)
shipper_dead_letters = _of(Counter("tutti_shipper_dead_letters", "Lines Elasticsearch would not take."), SHIP)
shipper_ignored = _of(
    Gauge("tutti_shipper_ignored_documents", "Documents with a field left out of the index."), SHIP
)
shipper_behind_bytes = _of(
    Gauge("tutti_shipper_behind_bytes", "Bytes of the log files not yet shipped."), SHIP
)


class CannotServe(OSError):
    """The address is taken, or is not this machine's."""


def render(*registries: CollectorRegistry) -> tuple[bytes, str]:
    """The metrics of these registries, or all of this process, as text, and its content type."""
    chosen = registries or (REGISTRY,)
    return b"".join(map(generate_latest, chosen)), CONTENT_TYPE_LATEST


def serve(
    port: int, host: str = "127.0.0.1", registry: CollectorRegistry = REGISTRY
) -> tuple[Callable[[], None], int]:
    """Answer `/metrics` on a port from a thread of its own.

    Args:
        port: The port; 0 for any free one.
        host: The address to listen on.
        registry: What is shown.

    Returns:
        A function that stops it, and the port.

    Raises:
        CannotServe: Nobody can listen there.
    """
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        why = error.strerror or str(error)
        raise CannotServe(f"metrics cannot be served on {host}:{port}: {why}") from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop, server.server_port
