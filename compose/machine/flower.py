"""Flower on a socket in the run folder, not on a port: it can stop workers, so only a front may reach it.

It is configured here and nowhere else. Its own command would read variables (`FLOWER_PORT` is what an
orchestrator says of a service named flower), a `flowerconfig.py` of the working folder, and Celery's.
"""

from __future__ import annotations

import atexit
import os
import shelve
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from observability import statefile
from tasks.security.folders import claim
from tasks.settings import Settings

# Seconds; Flower's own stop at 10, and songs take longer.
BUCKETS = [1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, float("inf")]


def run(settings: Settings) -> None:
    """Run Flower until SIGTERM."""
    claim(settings)
    for name in [name for name in os.environ if name.startswith("FLOWER_")]:
        del os.environ[name]
    from flower import command
    from flower.app import Flower
    from flower.options import options
    from flower.urls import settings as flower_settings
    from tornado.log import enable_pretty_logging

    from tasks.queue.application import make_app

    for name, value in _options(settings).items():
        setattr(options, name, value)
    enable_pretty_logging(options)
    command.extract_settings()
    command.setup_logging()
    flower = Flower(capp=make_app(settings), options=options, **flower_settings)
    atexit.register(flower.stop)
    signal.signal(signal.SIGTERM, _end)
    flower.start_http_server()
    try:
        flower.start()
    except KeyboardInterrupt:
        return


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "unix_socket": str(settings.run_path / "flower.sock"),
        "url_prefix": f"{settings.public_prefix}/flower".removeprefix("/"),
        "persistent": True,
        "db": str(_memory(settings.data.absolute() / "flower.db")),
        "max_tasks": 10_000,
        "purge_offline_workers": 3600,
        "task_runtime_metric_buckets": BUCKETS,
        "logging": "warning",
        "auth": "",
        "basic_auth": [],
    }


def _memory(path: Path) -> Path:
    """What Flower remembers; set aside where it cannot be read any more, for Flower would not start."""
    files = [file for file in path.parent.glob("flower.db*") if statefile.ASIDE not in file.name]
    try:
        with shelve.open(str(path)) as kept:  # noqa: S301 - Flower's own file, which it reads that way itself
            dict(kept)
    except Exception as error:
        for file in files:
            statefile.set_aside(file, f"Flower cannot read it ({error})")
    return path


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
