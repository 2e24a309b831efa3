"""What serving loses while the shipper works off a backlog at full speed on the very same core.

    python -m bench.shipper_beside [--rounds 5]

A process computes on one core, as a web worker does under load; the shipper is bound to that core, and
Elasticsearch to the others. Rounds without, with an ordinary and with our nice shipper are interleaved;
the median counts.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from compose.commands.ship import NICE
from observability.elastic.setup import setup
from tests import shipping
from tests.servers import elasticsearch

LINES = 300_000
SECONDS = 2.0
CORE = 0
WAYS = {"alone": None, "beside a shipper": 0, f"beside ours (nice {NICE})": NICE}


def work() -> float:
    """Requests a second of a stand-in for serving: hashing, which a compiler cannot skip."""
    done, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < SECONDS:
        hashlib.sha256(b"x" * 20_000).digest()
        done += 1
    return done / passed


def once(node: elasticsearch.Node, lines: Path, niceness: int | None) -> tuple[float, int]:
    """Work for a while beside a shipper of that niceness; the pace, and the lines it shipped meanwhile."""
    if niceness is None:
        return work(), 0
    server = node.client()
    with tempfile.TemporaryDirectory() as folder:
        part = f"b{time.time_ns()}"
        (Path(folder) / f"{part}.jsonl").symlink_to(lines)
        command = [sys.executable, "-c", shipping.SHIP, node.url, f"{folder}/*.jsonl", f"{folder}/state"]
        shipper = subprocess.Popen(command, preexec_fn=lambda: os.nice(niceness))  # noqa: PLW1509
        try:
            psutil.Process(shipper.pid).cpu_affinity([CORE])
            stream = f"logs-tutti.{part}-default"
            shipping.until(lambda: shipping.present(server, stream) > 0)
            before = shipping.present(server, stream)
            pace = work()
            return pace, shipping.present(server, stream) - before
        finally:
            shipping.kill(shipper)


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description="What serving loses to the shipper on the same core")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    seen: dict[str, list[tuple[float, int]]] = {way: [] for way in WAYS}
    with elasticsearch.running() as node, tempfile.TemporaryDirectory() as folder:
        setup(node.client())
        lines = Path(folder) / "lines"
        shipping.write(lines, 0, LINES)
        assert node.process
        others = [core for core in range(os.cpu_count() or 1) if core != CORE]
        for thread in psutil.Process(node.process.pid).threads():
            os.sched_setaffinity(thread.id, others)
        os.sched_setaffinity(0, [CORE])
        for _ in range(rounds):
            for way, niceness in WAYS.items():
                seen[way].append(once(node, lines, niceness))
    alone = statistics.median(pace for pace, _ in seen["alone"])
    print("a process | its pace | lines shipped meanwhile, a second")
    for way, results in seen.items():
        pace = statistics.median(pace for pace, _ in results) / alone
        print(f"{way} | {pace:.3f} | {statistics.median(count for _, count in results) / SECONDS:.0f}")


if __name__ == "__main__":
    main()
