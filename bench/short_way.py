"""What the short way saves: CPU of the web process for each answer, beside FastAPI alone.

wrk asks for the status of one waiting job over 32 connections. CPU seconds of the web process over its
answers are told, because they hardly depend on what else the machine does; the two alternate, and the median
of each is told beside the first.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil
import uvicorn

from tasks.settings import Settings
from tests.servers.tutti import free_port
from web.app import create_app
from web.asgi import short_way

SECONDS = 4
CONNECTIONS = 32
ROUNDS = 3
WAYS = ("FastAPI alone", "short way")


def main() -> None:
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            spent[way].append(_measure(way))
    least = statistics.median(spent[WAYS[0]])
    print(f"status of a waiting job, {CONNECTIONS} connections, {SECONDS} s, median of {ROUNDS}")
    for way, times in spent.items():
        median = statistics.median(times)
        print(f"{way:16} {median * 1e6:6.0f} us CPU an answer   {median / least:5.2f}")


def _measure(way: str) -> float:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.short_way", folder, str(port), way]
        with subprocess.Popen(command) as web:
            try:
                url = f"http://127.0.0.1:{port}/v1/jobs"
                job_id = _job(url)
                _wrk(f"{url}/{job_id}", 1)  # what is made once is made now
                before = _cpu(web.pid)
                answers = _wrk(f"{url}/{job_id}", SECONDS)
                return (_cpu(web.pid) - before) / answers
            finally:
                web.terminate()


def _wrk(url: str, seconds: int) -> int:
    """How many answers came."""
    told = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in told:
        raise RuntimeError(told)
    return int(re.search(r"(\d+) requests in", told)[1])


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _job(url: str) -> str:
    until = time.monotonic() + 60
    while True:
        try:
            return httpx.post(url, json={"prompt": "a plain tone of five seconds"}).json()["id"]
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _serve(folder: str, port: str, way: str) -> None:
    settings = Settings(data=Path(folder), port=int(port), rate_limit="off")
    settings.log_path.mkdir(parents=True)
    if way != "short way":
        short_way._route = lambda _: None
    from observability.logging import configure

    configure("tutti-web", settings.log_path / "web.jsonl")
    uvicorn.run(
        create_app(settings), port=int(port), loop="uvloop", http="httptools", log_config=None,
        access_log=False, server_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _serve(*sys.argv[1:])
    else:
        main()
