"""A worker takes messages only while it can work: else those that can would find none."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from kombu import Connection

from tasks.jobs import JobState
from tests.cluster.cluster import Cluster
from tests.servers.workers import eventually

WISH = {"prompt": "a plain tone steps=2 pace=0.05", "duration": 5}
QUEUE = "tone@1"
_seeds = itertools.count()


@pytest.fixture
def cell(cluster: Cluster) -> Iterator[Cluster]:
    eventually(lambda: takers(cluster) == 3)
    yield cluster
    eventually(lambda: takers(cluster) == 3)


def takers(cluster: Cluster) -> int:
    """How many workers take messages of the queue that all serve."""
    with Connection(f"amqp://tutti:of-the-broker@{cluster['broker'].address}//") as connection:
        return int(connection.default_channel.queue_declare(QUEUE, passive=True).consumer_count)


def ask(cluster: Cluster, number: int) -> list[str]:
    """Ask for so many songs that nobody has asked for before."""
    with cluster.client() as client:
        answers = [client.post("/v1/jobs", json=WISH | {"seed": next(_seeds)}) for _ in range(number)]
    assert [answer.status_code for answer in answers] == [202] * number, answers[-1].text
    return [answer.json()["id"] for answer in answers]


def all_made(cluster: Cluster, ids: list[str]) -> bool:
    with cluster.ledger() as ledger:
        found = ledger.views.snapshots(ids)
    return len(found) == len(ids) and all(one.state is JobState.SUCCEEDED for one in found.values())


def makers(cluster: Cluster, ids: list[str]) -> set[str | None]:
    with cluster.ledger() as ledger:
        return {job.worker for one in ids if (job := ledger.views.get(one))}


@pytest.mark.timeout(600)
def test_a_worker_cut_from_the_ledger_leaves_the_queue_to_the_others(cell: Cluster):
    with cell["gpu1"].cut_from(cell["db"]):
        eventually(lambda: takers(cell) == 2)
        asked = ask(cell, 20)
        eventually(lambda: all_made(cell, asked), 120)
        assert makers(cell, asked) == {"gpu0@gpu2", "gpu0@gpu3"}
    eventually(lambda: takers(cell) == 3)
    eventually(lambda: "gpu0@gpu1" in makers(cell, ask(cell, 10)), 120)


@pytest.mark.timeout(600)
def test_a_worker_without_its_nas_leaves_the_queue_to_the_others(cell: Cluster):
    with cell["gpu1"].without_nas():
        asked = ask(cell, 12)
        eventually(lambda: all_made(cell, asked), 120)
        eventually(lambda: takers(cell) == 2)
        asked = ask(cell, 12)
        eventually(lambda: all_made(cell, asked), 120)
        assert makers(cell, asked) == {"gpu0@gpu2", "gpu0@gpu3"}
    eventually(lambda: takers(cell) == 3)
