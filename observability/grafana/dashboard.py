"""The dashboard of the Prometheus metrics, described as rows of (title, unit, queries)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

SCHEMA_VERSION = 39  # Grafana 11; newer ones migrate it
SOURCE: Json = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT, PER_ROW = 8, 8, 3

# title, unit, [(query, legend)]
PANELS: Sequence[tuple[str, str, Sequence[tuple[str, str]]]] = (
    ("Jobs ended", "ops", [("sum by (state) (rate(tutti_jobs_total[5m]))", "{{state}}")]),
    ("Failed share, people's own left out", "percentunit", [("tutti:failed_share:rate1h", "one hour")]),
    (
        "Causes of failure",
        "ops",
        [('sum by (error_class) (rate(tutti_jobs_total{state="failed"}[15m]))', "{{error_class}}")],
    ),
    ("Waiting jobs", "short", [("max by (queue) (tutti_queue_depth)", "{{queue}}")]),
    ("Oldest waiting job", "s", [("max by (queue) (tutti_oldest_queued_seconds)", "{{queue}}")]),
    ("Queue wait, 95th percentile", "s", [("tutti:queue_wait_seconds:p95", "p95")]),
    ("Stages, 95th percentile", "s", [("tutti:stage_seconds:p95", "{{stage}}")]),
    (
        "Seconds of audio per second of work",
        "short",
        [
            (
                "sum(rate(tutti_realtime_factor_sum[5m])) / sum(rate(tutti_realtime_factor_count[5m]))",
                "mean",
            )
        ],
    ),
    (
        "Jobs advanced together",
        "short",
        [("sum(rate(tutti_batch_size_sum[5m])) / sum(rate(tutti_batch_size_count[5m]))", "mean")],
    ),
    ("GPU busy", "percentunit", [("tutti_gpu_busy_ratio", "{{gpu}}")]),
    ("GPU memory", "bytes", [("tutti_gpu_memory_bytes", "{{gpu}}")]),
    ("Heartbeat age", "s", [("time() - tutti_worker_heartbeat_timestamp_seconds", "{{worker}}")]),
    ("Cache hits", "percentunit", [("tutti:cache_hit_ratio", "hits")]),
    ("Room on the NAS", "bytes", [("tutti_storage_free_bytes", "free")]),
    (
        "Publishing a file, 95th percentile",
        "s",
        [("histogram_quantile(0.95, sum by (le) (rate(tutti_storage_write_seconds_bucket[5m])))", "p95")],
    ),
    ("Lines shipped", "ops", [("sum by (result) (rate(tutti_shipper_lines_total[5m]))", "{{result}}")]),
    ("Unacknowledged lines", "s", [("tutti_shipper_unacknowledged_seconds", "oldest")]),
    ("Refused requests", "ops", [("sum by (reason) (rate(tutti_jobs_refused_total[5m]))", "{{reason}}")]),
)


def _panel(number: int, title: str, unit: str, queries: Sequence[tuple[str, str]]) -> Json:
    row, column = divmod(number, PER_ROW)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(65 + index), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(queries)
        ],
    }


def dashboard() -> Json:
    """Make the dashboard as Grafana imports it."""
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return {
        "uid": "tutti",
        "title": "Tutti",
        "tags": ["tutti"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source]},
        "panels": [_panel(number, *described) for number, described in enumerate(PANELS)],
    }
