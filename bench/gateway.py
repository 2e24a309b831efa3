"""Requests a second and latencies of submit, status, files and progress, with and without nginx.

Ours accepts durably (each 202 is on disk); the peers keep nothing. Peers that are no part of Tutti are
installed in a throwaway environment; where that cannot be done the table says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tasks.jobs import JobRequest, Output, new_job_id
from tasks.ledger import Ledger, NewJob, WorkerInfo
from tests.servers.front import Front, standing_front
from tests.servers.gateway import free_port

SECONDS = 4
CONNECTIONS = 32
STREAMS = 1_000
SONG_BYTES = 11_520_044  # 60 s of 48 kHz stereo in 16 bits
BODY = json.dumps({"prompt": "a calm piano song", "duration": 10})
POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{body}'
"""
JOBS = 200  # whose status is asked for in turn, so that no answer about one stands for all
GET = """
local jobs = {{{jobs}}}
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", "/v1/jobs/" .. jobs[number % #jobs + 1])
end
"""
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass
class Server:
    """One column of the table."""

    name: str
    url: str
    job: str = "a"
    song: str = "a.wav"
    waiting: list[str] = field(default_factory=lambda: ["a"])
    ended: list[str] = field(default_factory=lambda: ["a"])
    only_submit: bool = False
    fire: Callable[[], object] | None = None
    cells: dict[str, str] = field(default_factory=dict)


def wrk(url: str, *options: str) -> tuple[float, float, float, int]:
    """Requests a second, p50 and p99 in milliseconds, and answers that were no 2xx."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", *options, url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    times = {
        name: float(number) * UNITS[unit]
        for name, number, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s|m)", text)
    }
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    assert rate, text
    return float(rate[1]), times["50"], times["99"], int(bad[1]) if bad else 0


def load(server: Server, post: Path) -> None:
    """Fill a column with what wrk measures."""
    figures: dict[str, tuple[str, ...]] = {"submit": ("/v1/jobs", "-s", str(post))}
    if not server.only_submit:
        figures |= {
            "status of waiting jobs": ("", "-s", str(asking(server.waiting, post.with_name("waiting.lua")))),
            "status of ended jobs": ("", "-s", str(asking(server.ended, post.with_name("ended.lua")))),
            "file of 11.5 MB": (f"/output/{server.song}",),
        }
    for name, (path, *options) in figures.items():
        rate, middle, high, bad = wrk(server.url + path, *options)
        server.cells[name] = f"{rate:,.0f}/s  {middle:.1f} / {high:.1f} ms" + (
            f"  {bad} failed" if bad else ""
        )


def asking(jobs: list[str], script: Path) -> Path:
    """A script for wrk that asks for the status of each of these jobs in turn."""
    script.write_text(GET.format(jobs=", ".join(f'"{job}"' for job in jobs)))
    return script


async def _one_stream(url: httpx.URL, job: str, opened: list[float], done: list[float]) -> None:
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
    )
    async with asyncio.timeout(90):
        await reader.readuntil(b"event: ")
        opened.append(time.perf_counter())
        await reader.readuntil(b"succeeded")
        done.append(time.perf_counter())
    writer.close()


async def streams(server: Server) -> str:
    """Open many streams of one job, end the job, and see how late the last of them hears it."""
    opened: list[float] = []
    done: list[float] = []
    began = time.perf_counter()
    waiting = [
        asyncio.create_task(_one_stream(httpx.URL(server.url), server.job, opened, done))
        for _ in range(STREAMS)
    ]
    while len(opened) < STREAMS and time.perf_counter() - began < 60:  # noqa: ASYNC110 - one look at many
        await asyncio.sleep(0.02)
    took, fired = time.perf_counter() - began, time.perf_counter()
    assert server.fire
    await asyncio.to_thread(server.fire)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    lost = sum(isinstance(result, BaseException) for result in results)
    late = sorted((moment - fired) * 1e3 for moment in done)
    if not late:
        return f"none of {STREAMS} heard it"
    high = late[int(len(late) * 0.99)]
    text = f"{len(opened)} open in {took:.1f} s  {statistics.median(late):.0f} / {high:.0f} ms"
    return text + (f"  {lost} lost" if lost else "")


def ending(ledger: Ledger) -> Callable[[str], None]:
    """What a worker does at the end of a job."""
    info = WorkerInfo(id="bench.0", node="bench", queues=("sketch@1",), engine="sketch", model_version="1")
    epoch = ledger.workers.register(info)

    def fire(job_id: str) -> None:
        job = ledger.workers.claim(job_id, info.id, epoch)
        assert job
        song = Output(name=f"{job_id}.wav", format="wav", seconds=60, bytes=SONG_BYTES, sha256="0" * 64)
        assert ledger.workers.finish(job_id, job.attempt, info.id, epoch, [song])

    return fire


def queued(front: Front) -> str:
    job_id = new_job_id("a")
    request = JobRequest(prompt="a calm piano song")
    front.ledger.submissions.accept(NewJob(id=job_id, request=request, model_queue="sketch@1")).result()
    return job_id


def ours(front: Front, name: str, port: int) -> Server:
    job_id, waiting, ended = queued(front), *([queued(front) for _ in range(JOBS)] for _ in range(2))
    end = ending(front.ledger)
    for one in ended:
        end(one)
    (front.data / "output").mkdir(exist_ok=True)
    (front.data / "output" / f"{job_id}.wav").write_bytes(bytes(SONG_BYTES))
    url = f"http://127.0.0.1:{port}"
    fire = functools.partial(end, job_id)
    return Server(name, url, job_id, f"{job_id}.wav", waiting=waiting, ended=ended, fire=fire)


@contextlib.contextmanager
def peer(kind: str, python: str, file: Path) -> Iterator[Server]:
    """Start a peer and wait until it takes a job."""
    port = free_port()
    # -P keeps bench/ off the path: its logging.py would stand in for the library's.
    program = str(Path(__file__).with_name("gateway_peers.py"))
    command = [python, "-P", program, kind, str(port), str(file)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(file.parent), "RAY_USAGE_STATS_ENABLED": "0"}
    log = (file.parent / f"{kind}.log").open("wb")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url, process)
        fire = lambda: httpx.post(f"{url}/fire", timeout=60)  # noqa: E731
        yield Server(NAMES[kind], url, only_submit=kind == "litserve", fire=fire)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


NAMES = {"noop": "no-op FastAPI", "ray": "no-op on Ray Serve", "litserve": "no-op LitServe"}
PACKAGES = {"ray": "ray[serve]", "litserve": "litserve"}


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.post(f"{url}/v1/jobs", json={"prompt": "x"}, timeout=10).is_success:
                return
        time.sleep(0.2)
    raise RuntimeError("it did not start")


def installed(kind: str, folder: Path) -> str:
    """The python of a throwaway environment with a peer in it.

    Raises:
        RuntimeError: It cannot be installed here.
    """
    subprocess.run([sys.executable, "-m", "venv", folder / kind], check=True, capture_output=True)
    python = str(folder / kind / "bin/python")
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", PACKAGES[kind]],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{PACKAGES[kind]} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return python


def measure(server: Server, post: Path) -> Server:
    load(server, post)
    if not server.only_submit:
        server.cells[f"progress to {STREAMS:,} streams"] = asyncio.run(streams(server))
    return server


def columns(folder: Path, post: Path, file: Path) -> Iterator[Server]:
    with peer("noop", sys.executable, file) as server:
        yield measure(server, post)
    with standing_front(folder, connection_limit="0") as front:
        yield measure(ours(front, "ours, web alone", front.direct_port), post)
        yield measure(ours(front, "ours, two web nodes behind nginx", front.port), post)
    for kind in PACKAGES:
        try:
            with peer(kind, installed(kind, folder), file) as server:
                yield measure(server, post)
        except (RuntimeError, subprocess.SubprocessError) as error:
            print(f"{NAMES[kind]}: left out, {error}")


def main() -> None:
    if shutil.which("wrk") is None:
        sys.exit("bench/gateway needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        post, file = folder / "post.lua", folder / "song.wav"
        post.write_text(POST.format(body=BODY))
        file.write_bytes(bytes(SONG_BYTES))
        print(f"{CONNECTIONS} connections, {SECONDS} s each; p50 / p99")
        first: Server | None = None
        for server in columns(folder, post, file):
            first = first or server
            print(f"{server.name}")
            for figure, cell in server.cells.items():
                print(
                    f"  {figure:28} {cell}{_ratio(cell, first.cells[figure]) if server is not first else ''}"
                )


def _ratio(cell: str, base: str) -> str:
    """How many of the no-op's requests a second."""
    rates = [re.match(r"([\d,]+)/s", text) for text in (cell, base)]
    if not all(rates):
        return ""
    mine, theirs = (float(rate[1].replace(",", "")) for rate in rates if rate)
    return f"  ({mine / theirs:.2f} of the no-op's)"


if __name__ == "__main__":
    main()
