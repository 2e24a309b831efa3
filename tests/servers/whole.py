"""All parts of one machine in real processes, nginx before them; workers are for the test to start."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from nginx.gateway import available
from tasks.jobs import Job
from tests import needs
from tests.servers import workers
from tests.servers.gateway import free_port
from tests.servers.workers import System, eventually

WISH = {"prompt": "a plain tone", "duration": 5}


@dataclass
class Whole:
    """A cell behind its gateway."""

    system: System
    client: httpx.Client

    def ask(self, prompt: str = "a plain tone", **headers: str) -> str:
        """Ask for a song through nginx; the answer is the job's id."""
        answer = self.client.post("/v1/jobs", json=WISH | {"prompt": prompt}, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> Job:
        return self.system.job(job_id)


@contextlib.contextmanager
def standing(folder: Path, **settings: Any) -> Iterator[Whole]:
    """Start the parts and wait until web answers through nginx that it can take jobs."""
    if available() is None:
        needs.missing("nginx", "apt-get install nginx")
    port = free_port()
    with workers.running(folder, **{"rate_limit": "off", "port": port, **settings}) as system:
        system.start("web", "--uds", str(system.settings.run_path / "web.sock"))
        gateway = system.start("gateway")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            try:
                eventually(lambda: _is_ready(client))
                yield Whole(system, client)
            finally:
                gateway.end()  # by itself, so that its nginx ends with it


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
