"""Tutti as a user starts it: the installed command, in the user's folder and with the user's environment."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.servers.tutti import START_SECONDS, Tutti, free_port

TUTTI = Path(sys.executable).with_name("tutti")
PLAIN = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def tutti(
    *words: str, cwd: Path, beside: dict[str, str] | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [TUTTI, *words],
        env=PLAIN | {"COLUMNS": "200"} | variables(settings) | (beside or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def variables(settings: dict[str, str]) -> dict[str, str]:
    return {f"TUTTI_{name.upper()}": value for name, value in settings.items()}


@dataclass
class House(Tutti):
    """A running `tutti up`."""

    @property
    def family(self) -> list[psutil.Process]:
        """Its processes, the supervisor first."""
        whole = psutil.Process(self.process.pid)
        return [whole, *whole.children(recursive=True)]


@contextlib.contextmanager
def up(
    cwd: Path,
    data: Path | str,
    *,
    beside: dict[str, str] | None = None,
    host: str = "127.0.0.1",
    **settings: str,
) -> Iterator[House]:
    """Start everything from a folder and wait until it says that it is ready."""
    port = int(settings.pop("port", free_port()))
    given = {"data": str(data), "port": str(port), "rate_limit": "off", "drain_seconds": "5", "host": host}
    environment = PLAIN | variables(given | settings) | (beside or {})
    log = cwd.parent / f"printed-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [TUTTI, "up"], stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=cwd
        )
    at = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)
    made = House(f"http://{at}:{port}", port, Path(cwd, data), log, process)
    try:
        until(lambda: "Tutti is ready" in made.printed or process.poll() is not None, START_SECONDS, made)
        assert process.poll() is None, made.printed
        yield made
    finally:
        if process.poll() is None:
            made.stop()


def until(what: object, limit: float = 60, about: object = "") -> None:
    """Wait until `what` holds."""
    deadline = time.monotonic() + limit
    while not what():
        assert time.monotonic() < deadline, getattr(about, "printed", about)
        time.sleep(0.1)


def song(url: str, **fields: object) -> dict[str, object]:
    """Ask for a song and wait for it, as a program does."""
    answer = httpx.post(
        f"{url}/generate", json={"prompt": "calm piano", "duration": 5, **fields}, timeout=120
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
