"""A web process on a port with all that makes songs behind it, and a way to it that can be cut."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.servers import workers
from tests.servers.proxy import Proxy
from tests.servers.tutti import free_port
from tests.servers.workers import Part, System, eventually


@dataclass
class Served:
    """A cell whose web process is reached at `url`, or at `far` through a proxy."""

    system: System
    port: int
    web: Part
    proxy: Proxy

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def far(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}"

    def restart_web(self) -> None:
        """Kill the web process and start another at the same place."""
        self.web.end(9)
        self.web = self.system.start("web")
        eventually(lambda: answers(self.url))

    def requests(self, path: str) -> list[dict[str, Any]]:
        """The web's log lines of requests for a path."""
        text = (self.system.settings.log_path / "web.jsonl").read_bytes()
        found = [orjson.loads(line) for line in text.splitlines()]
        return [
            line
            for line in found
            if line["event"].get("action") == "http.request" and line["url"]["path"] == path
        ]


def answers(url: str) -> bool:
    """Whether a web process there can take jobs."""
    try:
        return httpx.get(f"{url}/readyz", timeout=20).status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def serving(folder: Path, *, worker: bool = True, **settings: Any) -> Iterator[Served]:
    """Start the parts and wait until they take jobs."""
    port = free_port()
    chosen = {"rate_limit": "off", "port": port, "gateway": "off", **settings}
    with workers.running(folder, **chosen) as system:
        web = system.start("web")
        if worker:
            system.start_worker()
        eventually(lambda: answers(f"http://127.0.0.1:{port}"))
        proxy = Proxy(port)
        try:
            yield Served(system, port, web, proxy)
        finally:
            proxy.close()
