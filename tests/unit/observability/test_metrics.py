import httpx
import pytest

from observability import metrics

DESIGN = [
    "tutti_jobs_total",
    "tutti_queue_depth",
    "tutti_jobs_running",
    "tutti_queue_wait_seconds",
    "tutti_stage_seconds",
    "tutti_realtime_factor",
    "tutti_batch_size",
    "tutti_gpu_busy_ratio",
    "tutti_gpu_memory_bytes",
    "tutti_cache_requests_total",
    "tutti_oldest_queued_seconds",
    "tutti_worker_heartbeat_timestamp_seconds",
    "tutti_storage_free_bytes",
    "tutti_storage_write_seconds",
    "tutti_shipper_unacknowledged_seconds",
    "tutti_shipper_dead_letters_total",
]


@pytest.mark.parametrize("name", DESIGN)
def test_the_names_of_the_design_are_there(name):
    text, content_type = metrics.render()
    assert f"# TYPE {name} " in text.decode()
    assert content_type.startswith("text/plain")


def test_a_server_of_its_own_answers_and_stops():
    metrics.jobs.labels(state="succeeded", error_class="", ours="").inc()
    stop, port = metrics.serve(0)
    try:
        assert "tutti_jobs_total" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
    finally:
        stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")
