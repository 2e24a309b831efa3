"""Seconds from `make run` to the form and to the first song, in a fresh clone of this repository.

The installation is timed apart: it depends on the network. Nothing has a peer that does the same, so the
figures stand beside the time of a bare Python to import FastAPI and Celery.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.servers.tutti import ROOT, free_port

LIMIT = 900  # seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "tutti")
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        installed = timed(lambda: subprocess.run(["compose/install.sh", "run"], cwd=clone, check=True))
        bare = timed(lambda: subprocess.run([sys.executable, "-c", "import fastapi, celery"], check=True))
        print(f"installation {installed:.1f} s; a bare import of FastAPI and Celery {bare:.2f} s")
        for name in ("first start", "second start"):
            form, song = start(clone)
            print(
                f"{name}: form after {form:.1f} s ({form / bare:.1f}x the import), "
                f"a 10 s song asked for then after {song:.1f} s"
            )


def start(clone: Path) -> tuple[float, float]:
    """Seconds from `make run` to the form, and to the file of a 10 s song asked for at once."""
    begin = time.perf_counter()
    with make_run(clone) as url:
        until(lambda: httpx.get(url).status_code == 200)
        form = time.perf_counter() - begin
        answer = httpx.post(f"{url}/v1/jobs", json={"prompt": "calm piano, 80 bpm", "duration": 10})
        song = f"{url}/output/{answer.json()['id']}.wav"
        until(lambda: httpx.head(song).status_code == 200)
        return form, time.perf_counter() - begin


@contextmanager
def make_run(clone: Path) -> Iterator[str]:
    port = free_port()
    settings = {**os.environ, "TUTTI_PORT": str(port), "TUTTI_RATE_LIMIT": "off"}
    with (clone / "printed.log").open("ab") as log:
        process = subprocess.Popen(
            ["make", "-s", "run"], cwd=clone, env=settings, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: the terminal's whole group gets it
        process.wait(60)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + LIMIT
    while time.perf_counter() < deadline:
        try:
            if condition():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.02)
    raise TimeoutError


def timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
