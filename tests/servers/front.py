"""A real front: `tutti web` twice, one on a socket and one on a port, and `tutti gateway` before them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from nginx.gateway import available
from tasks.ledger import Ledger, Vitals, WorkerInfo
from tests import needs
from tests.servers.gateway import free_port, until
from tests.servers.surroundings import inherited

GOOD = {"prompt": "a calm piano song", "duration": 10}


@dataclass
class Front:
    data: Path
    port: int
    options: dict[str, str]
    ledger: Ledger
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def command(self, *words: str) -> str:
        """Run `tutti WORDS`; the answer is what it printed."""
        done = subprocess.run(
            [*TUTTI, *words], env=self.environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def environment(self, **more: str) -> dict[str, str]:
        values = {"data": str(self.data), "port": str(self.port), "node": "n1", "drain_seconds": "2"}
        values |= self.options | more
        return inherited() | {f"TUTTI_{key.upper()}": value for key, value in values.items()}

    def start(self, name: str, *words: str, **more: str) -> None:
        self.processes[name] = subprocess.Popen([*TUTTI, *words], env=self.environment(**more))

    def start_node(self, name: str, node: str, **more: str) -> None:
        """Start a web node that listens on a port."""
        port = self.ports[node] = free_port()
        self.start(name, "web", node=node, port=str(port), advertise=f"127.0.0.1:{port}", **more)

    @property
    def direct_port(self) -> int:
        """The port of the second web node."""
        return self.ports["n2"]

    def client(self, *, direct: bool = False, source: str = "127.0.0.1", **more: Any) -> httpx.Client:
        """A person's client: through the gateway, or straight to the second web node."""
        port = self.direct_port if direct else self.port
        transport = httpx.HTTPTransport(local_address=source)
        return httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=20, **more)

    def worker(self, node: str, *queues: str) -> None:
        """Register a worker, alive for as long as a lease."""
        info = WorkerInfo(id=f"{node}.0", node=node, queues=queues, engine="sketch", model_version="1")
        self.ledger.workers.renew(info.id, self.ledger.workers.register(info), vitals=Vitals())


TUTTI = (sys.executable, "-m", "compose.cli")


def _answers(front: Front, *, direct: bool) -> bool:
    for process in front.processes.values():
        assert process.poll() is None, "a process ended"
    with contextlib.suppress(httpx.TransportError), front.client(direct=direct) as client:
        return client.get("/livez").status_code == 200
    return False


@contextlib.contextmanager
def standing_front(folder: Path, **options: str) -> Iterator[Front]:
    """Start all and wait until each answers."""
    if available() is None:
        needs.missing("nginx", "apt-get install nginx")
    data = folder / "var"
    data.mkdir(parents=True)
    options = {"rate_limit": "off", **options}
    url = options.get("ledger_url", f"sqlite:///{data}/ledger.db")
    with Ledger(url, lease_seconds=300) as ledger:
        front = Front(data, free_port(), options, ledger)
        try:
            front.start("socket", "web", "--uds", f"{data}/run/web.sock")
            front.start_node("port", "n2")
            front.start("gateway", "gateway")
            until(
                lambda: _answers(front, direct=True) and _answers(front, direct=False),
                "the front answers",
                180,
            )
            yield front
        finally:
            for process in front.processes.values():
                process.terminate()
            for process in front.processes.values():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                process.kill()
                process.wait()
