"""Flower on a socket in the run folder, not on a port: it can stop workers, so only a front may reach it."""

from __future__ import annotations

import os
import sys

from tasks.security.folders import claim
from tasks.settings import Settings

# Seconds; Flower's own stop at 10, and songs take longer.
BUCKETS = "1,2.5,5,10,20,40,80,160,320,640,inf"


def run(settings: Settings) -> None:
    """Become Flower: this process is replaced."""
    claim(settings)
    options = {
        "unix_socket": str(settings.run_path / "flower.sock"),
        "url_prefix": f"{settings.public_prefix}/flower".removeprefix("/"),
        "persistent": "True",
        "db": str(settings.data.absolute() / "flower.db"),
        "max_tasks": "10000",
        "purge_offline_workers": "3600",
        "task_runtime_metric_buckets": BUCKETS,
        "logging": "warning",
    }
    words = [f"--{key}={value}" for key, value in options.items()]
    celery = [sys.executable, "-m", "celery", "-A", "tasks.queue.application", "flower"]
    os.execv(sys.executable, [*celery, *words])  # noqa: S606
