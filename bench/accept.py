"""Durable accepts a second over HTTP, with a worker that consumes them, beside a no-op FastAPI.

Both applications run under uvicorn with uvloop and httptools; wrk keeps 64 connections busy. Every 202
is in the ledger on disk. Runs alternate; the median of each is told. The no-op has the machine to itself and
wrk; beside ours a dispatcher and a worker finish the jobs, and what they take of the cores is told too.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from bench.cell import Cell, cell
from tasks.ledger import Ledger
from tests.servers.tutti import free_port

SECONDS = 8
CONNECTIONS = 64
ROUNDS = 3
BODY = json.dumps({"prompt": "a plain tone of five seconds", "duration": 5})
SCRIPT = f"""
wrk.method = "POST"
wrk.body = [[{BODY}]]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Requested-With"] = "bench"
"""
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def main() -> None:
    if shutil.which("wrk") is None:
        sys.exit("needs wrk: apt-get install wrk")
    bare, ours = [], []
    for _ in range(ROUNDS):
        with cell() as made:
            bare.append(_noop(made))
        with cell() as made:
            ours.append(_tutti(made))
    (peer, peer_p99), (rate, p99) = (
        [statistics.median(values) for values in zip(*runs, strict=True)] for runs in (bare, ours)
    )
    print(f"{CONNECTIONS} connections, {SECONDS} s, median of {ROUNDS}")
    print(f"no-op FastAPI     {peer:8.0f} requests/s   p99 {peer_p99:6.1f} ms")
    print(f"durable accepts   {rate:8.0f} requests/s   p99 {p99:6.1f} ms   (asked: 1,500/s, 100 ms)")
    print(f"ratio             {rate / peer:8.2f}                              (asked: 0.25)")


def _noop(made: Cell) -> tuple[float, float]:
    port = free_port()
    made.start(
        "uvicorn", "bench.noop_app:app", "--port", str(port), "--log-level", "error", "--no-access-log"
    )
    return _load(f"http://127.0.0.1:{port}", "/v1/jobs")[:2]


def _tutti(made: Cell) -> tuple[float, float]:
    port = free_port()
    parts = {
        "web": made.start("compose.cli", "web", port=port, max_queued=1_000_000),
        "dispatcher": made.start("compose.cli", "dispatch", max_queued=1_000_000),
        "worker": made.start("bench.noop_worker", "ledger", "0"),
    }
    parts["worker"].stdout.readline()
    _wait(f"http://127.0.0.1:{port}", "/v1/jobs")
    before = _cpu(parts)
    rate, p99, answered = _load(f"http://127.0.0.1:{port}", "/v1/jobs")
    spent = _cpu(parts)
    with Ledger(made.ledger_url) as ledger:
        counters = ledger.views.counters()
    if counters["accepted"] < answered:
        raise RuntimeError(f"{answered} were answered and only {counters['accepted']} are in the ledger")
    cores = ", ".join(f"{name} {(spent[name] - before[name]) / SECONDS:.2f}" for name in parts)
    done = counters.get("succeeded", 0)
    print(f"  {counters['accepted']} accepted, {done} done meanwhile; cores: {cores}", flush=True)
    return rate, p99


def _cpu(parts: dict[str, subprocess.Popen[str]]) -> dict[str, float]:
    """Seconds of CPU that each part has had."""
    times = {name: psutil.Process(process.pid).cpu_times() for name, process in parts.items()}
    return {name: time.user + time.system for name, time in times.items()}


def _load(url: str, path: str) -> tuple[float, float, int]:
    """Requests a second, p99 in ms, number of requests."""
    _wait(url, path)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        Path(script.name).write_text(SCRIPT)
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", script.name]
        told = subprocess.run([*command, url + path], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told:
        raise RuntimeError(told)
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", told).groups()
    answered = int(re.search(r"(\d+) requests in", told)[1])
    return float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1]), float(number) * UNITS[unit], answered


def _wait(url: str, path: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            answer = httpx.post(url + path, content=BODY, headers={"content-type": "application/json"})
            if answer.status_code == 202:
                return
            raise RuntimeError(answer.text)
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
