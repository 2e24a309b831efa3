"""What the short way and the corked protocol save: CPU of the web process for each answer.

The same application answers three ways (FastAPI alone, the short way by a table of Starlette's routes, the
short way as it is) over uvicorn's own protocol and over ours. wrk asks for the status of one waiting job over
32 connections. CPU seconds of the web process over its answers are told, because they hardly depend on what
else the machine does; ways alternate, and the median of each is told beside the first.
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
from starlette.routing import Match, Route
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tasks.settings import Settings
from tests.servers.tutti import free_port
from web.api import jobs
from web.app import create_app
from web.asgi import short_way
from web.asgi.cork import CorkedProtocol

SECONDS = 4
CONNECTIONS = 32
ROUNDS = 3
WAYS = ("FastAPI alone", "table of routes", "short way")
PROTOCOLS = {"uvicorn's protocol": HttpToolsProtocol, "corked": CorkedProtocol}
TABLE = [
    Route("/v1/jobs", jobs.create, methods=["POST"]),
    Route("/v1/jobs/{job_id}", jobs.show, methods=["GET"]),
    Route("/v1/jobs/{job_id}/events", jobs.follow, methods=["GET"]),
]


def main() -> None:
    spent: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for protocol in PROTOCOLS:
            for way in WAYS:
                spent.setdefault((way, protocol), []).append(_measure(way, protocol))
    least = statistics.median(spent[WAYS[0], next(iter(PROTOCOLS))])
    print(f"status of a waiting job, {CONNECTIONS} connections, {SECONDS} s, median of {ROUNDS}")
    for (way, protocol), times in spent.items():
        median = statistics.median(times)
        print(f"{way:16} {protocol:20} {median * 1e6:6.0f} us CPU an answer   {median / least:5.2f}")


def _measure(way: str, protocol: str) -> float:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.short_way", folder, str(port), way, protocol]
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


def _handler_of_table(scope: Scope):
    for route in TABLE:
        match, child = route.matches(scope)
        if match is Match.FULL:
            scope.update(child)
            names = child["path_params"]
            return lambda request: route.endpoint(request, **names)
    return None


def _serve(folder: str, port: str, way: str, protocol: str) -> None:
    settings = Settings(data=Path(folder), port=int(port), rate_limit="off")
    settings.log_path.mkdir(parents=True)
    if way != "short way":
        chosen = _handler_of_table if way == "table of routes" else lambda _: None
        short_way._handler = chosen
    from observability.logging import configure

    configure("tutti-web", settings.log_path / "web.jsonl")
    uvicorn.run(
        create_app(settings), port=int(port), loop="uvloop", http=PROTOCOLS[protocol], log_config=None,
        access_log=False, server_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _serve(*sys.argv[1:])
    else:
        main()
