"""A cell for the figures about jobs that make no sound: broker, ledger, dispatcher, a worker of no-ops."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.servers import valkey
from tests.servers.surroundings import inherited

ROOT = Path(__file__).parents[1]
QUEUE = "tone@1"


class Cell:
    """Processes of one run, in a folder of their own."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder = folder
        self.ledger_url = f"sqlite:///{folder / 'ledger.db'}"
        ours = {"DATA": folder, "BROKER_URL": broker, "ENGINE": "tests.engines:Tone", "RATE_LIMIT": "off"}
        self.environment = inherited() | {f"TUTTI_{name}": str(value) for name, value in ours.items()}
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, module: str, *argv: str, **settings: Any) -> subprocess.Popen[str]:
        """Start a Python module; what it prints can be read from its `stdout`."""
        command = [sys.executable, "-m", module, *argv]
        environment = self.environment | {f"TUTTI_{name.upper()}": str(v) for name, v in settings.items()}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def cpu_seconds(self) -> float:
        """CPU time of the cell's processes and of this one."""
        times = [psutil.Process(process.pid).cpu_times() for process in self.processes]
        times.append(psutil.Process().cpu_times())
        return sum(time.user + time.system for time in times)

    def close(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


@contextlib.contextmanager
def cell() -> Iterator[Cell]:
    with tempfile.TemporaryDirectory() as folder, valkey.running() as broker:
        made = Cell(Path(folder), broker.url)
        try:
            yield made
        finally:
            made.close()
