"""What the shipper's tests and its long run share: a writer of numbered lines, a shipper to kill, a count."""

from __future__ import annotations

import collections
import datetime as dt
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from elasticsearch import Elasticsearch

from observability.shipper import run

SHIP = """
import sys
from pathlib import Path
from observability.logging import configure
from observability.shipper import run
configure("tutti-ship", Path(sys.argv[3]) / "ship.log")
url, pattern, state = sys.argv[1:4]
sys.exit(run(url=url, api_key=None, patterns=[pattern], state=Path(state)))
"""
PADDING = "x" * 400


def line(number: int) -> bytes:
    """One line of about 690 bytes that carries its number."""
    return orjson.dumps(
        {
            "@timestamp": dt.datetime.now(dt.UTC),
            "event": {"action": "test", "outcome": "success", "duration": number},
            "host": {"name": "stage-1"},
            "service": {"name": "tutti-web"},
            "message": PADDING,
            "tutti": {"job": {"id": f"n{number}"}},
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def write(path: Path, first: int, last: int) -> None:
    """Append the lines of these numbers to the file of that name."""
    with path.open("ab") as file:
        file.write(b"".join(line(number) for number in range(first, last)))


def start(url: str, pattern: str, state: Path) -> subprocess.Popen[bytes]:
    """Start a shipper in a process of its own, to be killed."""
    return subprocess.Popen([sys.executable, "-c", SHIP, url, pattern, str(state)])


def finish(url: str, pattern: str, state: Path) -> int:
    """Ship all that is left, in this process; gives the exit code."""
    return run(url=url, api_key=None, patterns=[pattern], state=state, once=True)


def said(state: Path) -> str:
    """What a shipper that `start` started has logged so far."""
    path = state / "ship.log"
    return path.read_text() if path.exists() else ""


def until(done: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so; fail if it is not in time."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def present(server: Elasticsearch, stream: str) -> int:
    """How many documents the stream has by now; 0 while it is not there or not ready."""
    server.options(ignore_status=[404, 503], max_retries=0).indices.refresh(index=stream)
    answer = server.options(ignore_status=[404, 503], max_retries=0).count(index=stream)
    return int(answer.body.get("count", 0))


def counted(server: Elasticsearch, stream: str) -> collections.Counter[str]:
    """How often each line is in the stream; by buckets, because pages of hits shift with each merge."""
    server.indices.refresh(index=stream)
    counts: collections.Counter[str] = collections.Counter()
    pages: dict[str, Any] = {"size": 10_000, "sources": [{"id": {"terms": {"field": "tutti.job.id"}}}]}
    while True:
        found = server.search(index=stream, size=0, aggs={"lines": {"composite": pages}})
        answer = found["aggregations"]["lines"]
        counts.update({bucket["key"]["id"]: bucket["doc_count"] for bucket in answer["buckets"]})
        if "after_key" not in answer:
            return counts
        pages["after"] = answer["after_key"]


def faults(server: Elasticsearch, stream: str, lines: int) -> tuple[int, int]:
    """How many of the lines 0..lines-1 are missing, and how many are there more than once."""
    counts = counted(server, stream)
    missing = sum(f"n{number}" not in counts for number in range(lines))
    return missing, sum(count > 1 for count in counts.values())


def rotate(path: Path) -> None:
    """Rename the file as a rotation does; the writer then makes a new one."""
    if path.exists():
        path.rename(path.with_name(f"{path.stem}.{time.time_ns()}{path.suffix}"))


def kill(process: subprocess.Popen[bytes]) -> None:
    """As a power cut does it."""
    process.kill()
    process.wait()
