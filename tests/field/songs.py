"""A real web process with finished songs, for those who only listen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tasks.ledger import Ledger
from tasks.settings import Settings
from tasks.storage.folders import located
from tests.servers.gateway import free_port
from tests.servers.player import Player
from tests.servers.web import GOOD, Process, process


@dataclass
class House:
    """A web process, its ledger, and a worker that plays at once."""

    web: Process
    player: Player
    scratch: Path

    def song(self, seconds: float = 6, **fields: object) -> str:
        """A finished song's id."""
        answer = self.web.client.post("/v1/jobs", json=GOOD | {"duration": seconds} | fields)
        assert answer.status_code == 202, answer.text
        job_id = str(answer.json()["id"])
        self.player.play(job_id)
        return job_id

    def client(self, source: str) -> httpx.Client:
        """Another person: every address of 127.0.0.0/8 is one."""
        transport = httpx.HTTPTransport(local_address=source)
        return httpx.Client(base_url=self.web.url, transport=transport, timeout=120)

    @property
    def storage(self) -> Path:
        return self.web.data / "output"

    def kept(self, name: str) -> Path:
        """Where a file of the storage is, or will be."""
        return located(self.storage, name)


@contextlib.contextmanager
def house(folder: Path, **settings: str) -> Iterator[House]:
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(scratch))
        with process(folder / "var", port=free_port(), **settings) as web:
            web.client.timeout = httpx.Timeout(120)
            with Ledger(f"sqlite:///{folder / 'var/ledger.db'}", lease_seconds=600) as ledger:
                player = Player.register(ledger, Settings(data=folder / "var"))
                yield House(web, player, scratch)


def leftovers(built: House) -> list[str]:
    """Files that are neither songs nor their hashes."""
    known = {".wav", ".mp3", ".flac", ".opus", ".sha256"}
    there = [path.name for path in built.storage.rglob("*") if path.is_file() and path.suffix not in known]
    return sorted(
        [*(path.name for path in built.scratch.iterdir()), *(name for name in there if name != ".tutti")]
    )
