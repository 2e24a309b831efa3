"""A real broker, and what lies in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from observability.logging import configure
from tasks.queue.application import make_app
from tasks.queue.publisher import Publisher
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
def lines(tmp_path: Path) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Gives the log lines about a job."""
    path = tmp_path / "dispatch.jsonl"
    configure("tutti-dispatch", path)

    def of(job_id: str) -> list[dict[str, Any]]:
        every = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        return [line for line in every if line.get("tutti", {}).get("job", {}).get("id") == job_id]

    yield of
    configure("tutti-test", None, level="error")


@pytest.fixture
def told(lines: Callable[[str], list[dict[str, Any]]]) -> Callable[[str], list[str]]:
    """Gives the actions of the log lines about a job."""
    return lambda job_id: [line["event"]["action"] for line in lines(job_id)]
