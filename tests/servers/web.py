"""The web app with a real ledger, asked without a network; and as a real process on a socket or port."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from tasks.ledger import Ledger
from tasks.settings import Settings
from tests.servers.surroundings import inherited
from web.app import create_app
from web.request.state import AppState

GOOD = {"prompt": "a calm piano song", "duration": 10}


@dataclass
class Web:
    """A running application and a client of it."""

    app: FastAPI
    client: httpx.AsyncClient
    settings: Settings

    @property
    def state(self) -> AppState:
        return self.app.state.tutti

    @property
    def ledger(self) -> Ledger:
        return self.state.ledger

    def another(
        self, peer: tuple[str, int] | None = ("127.0.0.1", 4321), **headers: str
    ) -> httpx.AsyncClient:
        """A client without cookies, from another address; None is nginx on the unix socket."""
        transport = httpx.ASGITransport(self.app, client=peer)  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers)

    async def submit(self, **fields: Any) -> str:
        answer = await self.client.post("/v1/jobs", json=GOOD | fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])


@asynccontextmanager
async def running(data: Path, **values: Any) -> AsyncIterator[Web]:
    """The application on a folder, with its lifespan."""
    settings = Settings(data=data, **{"rate_limit": "off", "hosts": "tutti.test", **values})
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 4321))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            yield Web(app=app, client=client, settings=settings)


def in_app(data: Path, scenario: Any, *, seconds: float = 60, **values: Any) -> None:
    """Run `await scenario(web)` against a fresh application."""

    async def run() -> None:
        async with asyncio.timeout(seconds), running(data, **values) as web:
            await scenario(web)

    asyncio.run(run())


@dataclass
class Process:
    """A real web process."""

    client: httpx.Client
    url: str
    port: int
    data: Path
    child: subprocess.Popen[bytes]

    def lines(self, action: str) -> list[dict[str, Any]]:
        """Its log lines of one event.action."""
        text = (self.data / "log" / "web.jsonl").read_bytes()
        found = [json.loads(line) for line in text.splitlines()]
        return [line for line in found if line["event"].get("action") == action]


START = """
import sys
from pathlib import Path
from tasks.settings import Settings
from web.server import run
sys.exit(run(Settings(), uds=Path(sys.argv[1]) if sys.argv[1] else None))
"""


@contextmanager
def process(data: Path, *, uds: Path | None = None, port: int = 0, **values: str) -> Iterator[Process]:
    """Start a web process on a socket or a port and wait until it answers."""
    settings = {
        "data": str(data),
        "rate_limit": "off",
        "port": str(port or 8000),
        "drain_seconds": "2",
    } | values
    environment = inherited() | {f"TUTTI_{name.upper()}": value for name, value in settings.items()}
    child = subprocess.Popen([sys.executable, "-c", START, str(uds or "")], env=environment)
    transport = httpx.HTTPTransport(uds=str(uds) if uds else None)
    url = f"http://127.0.0.1:{port or 80}"
    try:
        with httpx.Client(transport=transport, base_url=url, timeout=20) as client:
            _await_answer(client, child)
            yield Process(client=client, url=url, port=port, data=data, child=child)
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0


def _await_answer(client: httpx.Client, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and child.poll() is None:
        try:
            if client.get("/livez").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the web process did not answer; exit code {child.poll()}")
