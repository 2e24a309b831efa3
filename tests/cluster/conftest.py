"""One cluster for all tests of this room: it takes a busy machine a minute or two to stand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster, standing

SETTINGS = {"engine": "tests.engines:Tone", "rate_limit": "off", "lease_seconds": 5, "drain_seconds": 5}


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with standing(tmp_path_factory.mktemp("cluster"), **SETTINGS) as made:
        yield made


@pytest.fixture
def cluster(whole: Cluster) -> Cluster:
    """The cluster, with all its parts at work."""
    for name in whole.commands:
        whole.start(name)
    whole.await_standing()
    return whole
