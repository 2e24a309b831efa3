"""What /analytics takes beside ten gigabytes of log lines of a month: time and memory of what draws.

    python -m bench.analytics [GIGABYTES]

Most lines are requests, as in a real month: a job is asked for, looked at some ten times, fetched. First
the last hour is drawn without a digest; then the digest is made, as the web app does it by itself. Then each
span of the page is asked of a process that has just begun, as the first visitor does, and of one that stays,
as those after: three times each, and what took least CPU counts.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil

from tasks.settings import environment

DAYS = 30
FILE = 256 << 20
SPANS = {1: "hour", 24: "day", 168: "week", 720: "month"}
ROUNDS = 3
ONE_HOUR = ("1", "640", "day")
HEAD = b'{"@timestamp":"%s","log":{"level":"info"},"service":{"name":"tutti-%s"},"host":{"name":"stage-%d"},'
REQUEST = HEAD + (
    b'"process":{"pid":4242},"ecs":{"version":"9.2.0"},"event":{"id":"1092-0a1b2c3d4e5f-%x","dataset":"tutti.web",'
    b'"action":"http.request","outcome":"success","duration":%d},"message":"GET /v1/jobs/a_%026x 200","http":'
    b'{"request":{"id":"%032x","method":"GET"},"response":{"status_code":200,"body":{"bytes":812}}},'
    b'"url":{"path":"/v1/jobs/a_%026x"},"source":{"ip":"192.0.2.%d"},"trace":{"id":"%032x"}}\n'
)
ENDED = HEAD + (
    b'"process":{"pid":4243},"ecs":{"version":"9.2.0"},"event":{"id":"1093-0a1b2c3d4e5f-%x","dataset":"tutti.worker",'
    b'"action":"job.succeeded","outcome":"success","duration":%d},"tutti":{"job":{"id":"a_%026x"},"attempt":1,'
    b'"prompt":{"chars":%d},"audio":{"seconds":%d.0},"engine":"acestep","lane":"stable","queue":"acestep@1",'
    b'"gpu":{"id":"stage-%d-0"},"timings":{"queue":1.5,"condition":0.5,"denoise":3.0,"decode":0.25,'
    b'"encode":0.125,"store":0.125},"batch":{"size":4}},"trace":{"id":"%032x"}}\n'
)
ACCEPTED = HEAD + (
    b'"process":{"pid":4242},"ecs":{"version":"9.2.0"},"event":{"id":"1094-0a1b2c3d4e5f-%x","dataset":"tutti.web",'
    b'"action":"job.accepted"},"tutti":{"job":{"id":"a_%026x"},"prompt":{"chars":%d,"hmac":"%016x"},'
    b'"key":{"id":"k%d"}},"source":{"ip":"192.0.2.%d"},"trace":{"id":"%032x"}}\n'
)
BEAT = HEAD + (
    b'"event":{"id":"1095-0a1b2c3d4e5f-%x","dataset":"tutti.worker","action":"worker.heartbeat"},'
    b'"tutti":{"gpu":{"id":"stage-%d-0","busy":0.7,"memory":8589934592}}}\n'
)


def month(folder: Path, total: int) -> list[Path]:
    """Write the lines of a month that ends now, in files as rotation leaves them."""
    paths: list[Path] = []
    for part, share, kind in (("web", 0.55, _web), ("nginx", 0.35, _nginx), ("worker", 0.1, _worker)):
        begin, wanted, written, number = time.time() - DAYS * 86_400, total * share, 0, 0
        stamp = begin
        while written < wanted:
            last = wanted - written <= FILE
            path = folder / (f"{part}.jsonl" if last else f"{part}.{number:06d}-0.jsonl")
            with path.open("wb") as file:
                size = 0
                while size < min(FILE, wanted - written):
                    stamp = begin + DAYS * 86_400 * min(1.0, (written + size) / wanted)
                    size += file.write(b"".join(kind(stamp)))
            written, number = written + size, number + 1
            paths.append(path)
    return paths


def _at(stamp: float) -> bytes:
    return dt.datetime.fromtimestamp(stamp, dt.UTC).isoformat(timespec="milliseconds").encode()


def _web(stamp: float) -> Iterator[bytes]:
    at, chance = _at(stamp), random.getrandbits
    for _ in range(40):
        job, trace = chance(100), chance(128)
        yield ACCEPTED % (
            at,
            b"web",
            1,
            chance(32),
            job,
            5 + chance(10),
            chance(64),
            chance(3),
            chance(6),
            trace,
        )
        for _ in range(8):
            yield REQUEST % (at, b"web", 1, chance(32), chance(24), job, chance(128), job, chance(6), trace)


def _nginx(stamp: float) -> Iterator[bytes]:
    at, chance = _at(stamp), random.getrandbits
    for _ in range(300):
        job, trace = chance(100), chance(128)
        yield REQUEST % (at, b"nginx", 1, chance(32), chance(24), job, chance(128), job, chance(6), trace)


def _worker(stamp: float) -> Iterator[bytes]:
    at, chance = _at(stamp), random.getrandbits
    for _ in range(100):
        gpu = 1 + chance(2)
        made = 5 + chance(10), 10 + chance(7), gpu, chance(128)
        yield ENDED % (at, b"worker", gpu, chance(32), 10**9 * (5 + chance(5)), chance(100), *made)
        yield BEAT % (at, b"worker", gpu, chance(32), gpu)


@dataclass
class Run:
    """What one process and its children took."""

    seconds: float
    cpu: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.cpu:.2f} s of CPU), {self.megabytes:.0f} MB"


def measured(command: list[str]) -> Run:
    """Run a process; memory is that of all its processes together, looked at fifty times a second."""
    began, most, cpu = time.perf_counter(), 0, resource.getrusage(resource.RUSAGE_CHILDREN)
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment.built(), stdout=quiet, stderr=quiet)
    while process.poll() is None:
        most = max(most, _memory(process.pid))
        time.sleep(0.02)
    assert process.returncode == 0, f"{command[:8]} ended with {process.returncode}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    return Run(time.perf_counter() - began, used, most / 1e6)


def asked(digest: list[str], words: list[str]) -> list[Run]:
    """Ask a process that stays, once to begin and then what counts."""
    command = environment.python("observability.analytics", "--stay", *digest)
    runs: list[Run] = []
    with subprocess.Popen(
        command,
        env=environment.built(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin
        assert process.stdout
        for _ in range(ROUNDS + 1):
            began, cpu = time.perf_counter(), _cpu(process.pid)
            process.stdin.write(orjson.dumps(words) + b"\n")
            process.stdin.flush()
            assert orjson.loads(process.stdout.readline())
            took = time.perf_counter() - began
            runs.append(Run(took, _cpu(process.pid) - cpu, _memory(process.pid) / 1e6))
        process.stdin.close()
    return runs[1:]


def _cpu(pid: int) -> float:
    whole = psutil.Process(pid)
    times = [one.cpu_times() for one in [whole, *whole.children(recursive=True)]]
    return sum(one.user + one.system for one in times)


def _memory(pid: int) -> int:
    """Bytes of a process and its children, what they share counted once."""
    total = 0
    with contextlib.suppress(psutil.Error):
        whole = psutil.Process(pid)
        for one in [whole, *whole.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss
    return total


def main(gigabytes: float = 10.0) -> None:
    folder = Path(tempfile.mkdtemp(prefix="tutti-analytics-bench-"))
    try:
        began = time.perf_counter()
        paths = month(folder, int(gigabytes * 1e9))
        size = sum(path.stat().st_size for path in paths)
        print(f"{size / 1e9:.1f} GB of lines in {len(paths)} files ({time.perf_counter() - began:.0f} s)")
        draw, files = "observability.analytics", [str(path) for path in paths]
        print("the last hour, without any digest:", measured(environment.python(draw, *ONE_HOUR, *files)))
        digest = ["--digest", str(folder / "digest")]
        update = measured(environment.python(draw, "--update", *digest, *files))
        kept = sum(path.stat().st_size for path in (folder / "digest").iterdir())
        print(f"the digest, once: {update}; {kept / 1e6:.0f} MB on disk")
        for hours, name in SPANS.items():
            words = [str(hours), "640", "day", *files]
            first = [measured(environment.python(draw, *digest, *words)) for _ in range(ROUNDS)]
            print(f"the last {name}, first: {min(first, key=lambda run: run.cpu)}")
            print(f"the last {name}, after: {min(asked(digest, words), key=lambda run: run.cpu)}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
