"""A whole Tutti as `make run` starts it, in its own folder and on its own port."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.servers.surroundings import inherited

ROOT = Path(__file__).parents[2]
START_SECONDS = 240
SONG_SECONDS = 120


@dataclass
class Tutti:
    """A running Tutti: `url` to reach it, `data` to look into, `log` with every printed line."""

    url: str
    port: int
    data: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def submit(self, prompt: str = "calm piano, 80 bpm", **fields: Any) -> dict[str, Any]:
        length = {} if "source_audio" in fields else {"duration": 5}  # a source sets it itself
        answer = httpx.post(f"{self.url}/v1/jobs", json={"prompt": prompt, **length, **fields})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def job(self, job_id: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/v1/jobs/{job_id}")
        answer.raise_for_status()
        return dict(answer.json())

    def wait(self, job_id: str, *states: str, limit: float = SONG_SECONDS) -> dict[str, Any]:
        """Wait until the job is in one of `states`, by default a final one."""
        wanted = states or ("succeeded", "failed", "cancelled")
        deadline = time.monotonic() + limit
        while (job := self.job(job_id))["state"] not in wanted:
            assert time.monotonic() < deadline, (
                f"{job_id} is {job['state']} after {limit} s\n{self.printed[-4000:]}"
            )
            time.sleep(0.1)
        return job

    def stop(self, number: int = signal.SIGTERM, limit: float = 60) -> int:
        self.process.send_signal(number)
        return self.process.wait(limit)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(data: Path, *, nginx: bool = True, **settings: str) -> Iterator[Tutti]:
    """Start Tutti on `data` and wait until it says that it is ready; ended with the block.

    Args:
        data: The folder of everything kept.
        nginx: Whether nginx may stand in front.
        settings: `TUTTI_*` without the prefix, in lower case.
    """
    port = int(settings.pop("port", free_port()))
    values = {
        "gateway": "auto" if nginx else "off",
        "data": str(data),
        "port": str(port),
        "rate_limit": "off",
        "drain_seconds": "5",
        **settings,
    }
    environment = inherited() | {f"TUTTI_{name.upper()}": value for name, value in values.items()}
    data.mkdir(parents=True, exist_ok=True)
    log = data / "printed.log"
    with log.open("ab") as out:
        begin = out.tell()
        command = [sys.executable, "-m", "compose.cli", "up"]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
    tutti = Tutti(f"http://127.0.0.1:{port}", port, data, log, process)
    try:
        _until_ready(tutti, begin)
        yield tutti
    finally:
        if process.poll() is None:
            tutti.stop()


def _until_ready(tutti: Tutti, begin: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while b"Tutti is ready" not in tutti.log.read_bytes()[begin:]:
        assert tutti.process.poll() is None, f"tutti up ended:\n{tutti.printed}"
        assert time.monotonic() < deadline, f"tutti up was not ready in {START_SECONDS} s:\n{tutti.printed}"
        time.sleep(0.1)
