"""Prometheus metrics of all parts, under the names of the design. No label ever holds a prompt or an address.

Each process shows what it knows: the web app under `/metrics`, workers, the dispatcher and the shipper by
`serve`.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    start_http_server,
)

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
FACTORS = (0.1, 0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)

jobs_accepted = Counter("tutti_jobs_accepted", "Jobs answered 202.")
jobs_refused = Counter("tutti_jobs_refused", "Job requests refused, by reason.", ["reason"])
jobs = Counter("tutti_jobs", "Jobs that reached a final state.", ["state", "error_class"])
jobs_open = Gauge("tutti_jobs_open", "Jobs accepted and not yet final.")
queue_depth = Gauge("tutti_queue_depth", "Jobs that wait, by queue.", ["queue"])
oldest_queued_seconds = Gauge("tutti_oldest_queued_seconds", "Age of the oldest waiting job.", ["queue"])
queue_wait_seconds = Histogram("tutti_queue_wait_seconds", "From accepted to claimed.", buckets=SECONDS)

jobs_running = Gauge("tutti_jobs_running", "Jobs being made now.", ["gpu"])
stage_seconds = Histogram("tutti_stage_seconds", "Time in one stage of a job.", ["stage"], buckets=SECONDS)
realtime_factor = Histogram(
    "tutti_realtime_factor", "Seconds of audio per second of making.", buckets=FACTORS
)
batch_size = Histogram("tutti_batch_size", "Jobs advanced together.", buckets=BATCHES)
gpu_busy_ratio = Gauge("tutti_gpu_busy_ratio", "Share of the last seconds a device worked.", ["gpu"])
gpu_memory_bytes = Gauge("tutti_gpu_memory_bytes", "Device memory in use.", ["gpu"])
worker_heartbeat_timestamp_seconds = Gauge(
    "tutti_worker_heartbeat_timestamp_seconds", "When a worker last gave a sign of life.", ["worker"]
)

cache_requests = Counter("tutti_cache_requests", "Look-ups of finished audio.", ["result"])
storage_free_bytes = Gauge("tutti_storage_free_bytes", "Room left on the NAS.")
storage_total_bytes = Gauge("tutti_storage_total_bytes", "Size of the NAS.")
storage_write_seconds = Histogram("tutti_storage_write_seconds", "Publishing one file.", buckets=SECONDS)
storage_errors = Counter("tutti_storage_errors", "Failed writes, by error class.", ["error_class"])

http_requests = Counter("tutti_http_requests", "Answers, by route.", ["method", "route", "status"])
http_seconds = Histogram("tutti_http_seconds", "From request to answer.", ["route"], buckets=SECONDS)
certificate_expiry = Gauge("tutti_certificate_expiry_timestamp_seconds", "When the TLS certificate ends.")
canary_share = Gauge("tutti_canary_share", "Share of jobs that go to the canary.")

log_unshipped_deleted = Counter(
    "tutti_log_unshipped_deleted_bytes", "Bytes of log files deleted before they were shipped."
)
shipper_lines = Counter("tutti_shipper_lines", "Lines of the shipper, by result.", ["result"])
shipper_unacknowledged_seconds = Gauge(
    "tutti_shipper_unacknowledged_seconds", "Age of the oldest line read and not yet acknowledged."
)
shipper_dead_letters = Counter("tutti_shipper_dead_letters", "Lines Elasticsearch would not take.")
shipper_ignored = Gauge("tutti_shipper_ignored_documents", "Documents with a field left out of the index.")
shipper_behind_bytes = Gauge("tutti_shipper_behind_bytes", "Bytes of the log files not yet shipped.")


def render() -> tuple[bytes, str]:
    """All metrics of this process as text, and the content type to send it with."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def serve(port: int, host: str = "127.0.0.1") -> tuple[Callable[[], None], int]:
    """Answer `/metrics` on a port from a thread of its own.

    Args:
        port: The port; 0 for any free one.
        host: The address to listen on.

    Returns:
        A function that stops it, and the port.

    Raises:
        OSError: The port is taken.

    """
    server, thread = start_http_server(port, addr=host)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop, server.server_port
