"""A server for the tests of the clients: one for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.served import Served, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served") / "cell") as started:
        yield started


@pytest.fixture
def server(served: Served) -> Iterator[Served]:
    """The same, with a proxy that does nothing yet."""
    served.proxy.delay = 0.0
    yield served
    served.proxy.delay = 0.0


def until(path: Any) -> str:
    """A prompt for a song that is not finished before the file is there."""
    return f"a plain tone until={path}"
