"""What a log line costs: ours beside structlog's and Elastic's other ways, in the same run, into real files.

    python -m bench.logging

Rounds are interleaved and the quickest of each counts, so that a busy machine troubles all alike.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from observability import logging as ours

LINES, ROUNDS = 5_000, 9
FIELDS = {
    "message": "accepted a_01",
    "trace": {"id": "0af7651916cd43dd8448eb211c80319c"},
    "tutti": {
        "job": {"id": "a_01jd8z3v6mf0"},
        "prompt": {"chars": 44},
        "audio": {"seconds": 60.0},
        "lane": "stable",
    },
}


def tutti(folder: Path) -> Callable[[], None]:
    """Our logger, as every part of Tutti uses it."""
    ours.configure("tutti-web", folder / "tutti.jsonl")
    log = ours.get_logger()
    return lambda: log.info("job.accepted", event={"outcome": "success", "duration": 5}, **FIELDS)


def json_write_logger(folder: Path) -> Callable[[], None]:
    """structlog with the standard library's JSON and a WriteLogger; flat, no secrets dropped."""
    file = (folder / "write.jsonl").open("a", buffering=1)
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    log = structlog.wrap_logger(
        structlog.WriteLogger(file),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            stamp,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
    ).bind()
    return lambda: log.info("job.accepted", outcome="success", duration=5, **FIELDS)


def processor_formatter(folder: Path) -> Callable[[], None]:
    """structlog through the standard library's logging and ProcessorFormatter, as most projects do it."""
    handler = logging.FileHandler(folder / "formatter.jsonl")
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=[remove, structlog.processors.JSONRenderer()])
    )
    below = logging.Logger("formatter", logging.INFO)
    below.addHandler(handler)
    wrap = structlog.stdlib.ProcessorFormatter.wrap_for_formatter
    log = structlog.wrap_logger(
        below,
        processors=[structlog.stdlib.add_log_level, stamp, wrap],
        wrapper_class=structlog.stdlib.BoundLogger,
    ).bind()
    return lambda: log.info("job.accepted", outcome="success", duration=5, **FIELDS)


class EcsFormatter(logging.Formatter):
    """The least a formatter for ECS in the standard library does."""

    def format(self, record: logging.LogRecord) -> str:
        head = {"@timestamp": dt.datetime.now(dt.UTC).isoformat(), "log": {"level": record.levelname}}
        return json.dumps({**head, "event": {"action": record.getMessage()}, **record.__dict__["fields"]})


def standard_library(folder: Path) -> Callable[[], None]:
    """The standard library alone, with a formatter that writes the same nested JSON."""
    handler = logging.FileHandler(folder / "standard.jsonl")
    handler.setFormatter(EcsFormatter())
    log = logging.Logger("standard", logging.INFO)
    log.addHandler(handler)
    return lambda: log.info("job.accepted", extra={"fields": FIELDS})


def microseconds(write: Callable[[], None]) -> float:
    """CPU of one line."""
    began = time.process_time()
    for _ in range(LINES):
        write()
    return (time.process_time() - began) / LINES * 1e6


def main() -> None:
    """Print microseconds a line, and each beside ours."""
    ways = (tutti, json_write_logger, processor_formatter, standard_library)
    with tempfile.TemporaryDirectory() as folder:
        writers = {way.__name__: way(Path(folder)) for way in ways}
        rounds = [{name: microseconds(write) for name, write in writers.items()} for _ in range(ROUNDS)]
        best = {name: min(one[name] for one in rounds) for name in writers}
        assert len({path.read_bytes().count(b"\n") for path in Path(folder).iterdir()}) == 1
    print("way | us a line | times ours")
    for name, cost in best.items():
        print(f"{name} | {cost:.1f} | {cost / best['tutti']:.1f}")


if __name__ == "__main__":
    main()
