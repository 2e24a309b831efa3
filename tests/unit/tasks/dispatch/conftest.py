"""A real broker, and what lies in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from observability.logging import configure
from tasks.app import make_app
from tasks.publish import Publisher
from tasks.settings import Settings
from tests.servers import valkey
from tests.servers.valkey import Valkey


@pytest.fixture(scope="session")
def started_valkey() -> Iterator[Valkey]:
    with valkey.running(durable=False) as server:
        yield server


@pytest.fixture
def broker(started_valkey: Valkey) -> Valkey:
    started_valkey.client().flushall()
    return started_valkey


@pytest.fixture
def publisher(broker: Valkey) -> Iterator[Publisher]:
    made = Publisher(make_app(Settings(broker_url=broker.url)), broker.url)
    yield made
    made.close()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """Gives the actions of the log lines about a job."""
    path = tmp_path / "dispatch.jsonl"
    configure("tutti-dispatch", path)

    def actions(job_id: str) -> list[str]:
        lines = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        mine = [line for line in lines if line.get("tutti", {}).get("job", {}).get("id") == job_id]
        return [line["event"]["action"] for line in mine]

    yield actions
    configure("tutti-test", None, level="error")
