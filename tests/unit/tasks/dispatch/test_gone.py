"""Which queues nobody serves any more."""

from __future__ import annotations

import pytest

from tasks.dispatch.gone import EVERY_SECONDS, GONE_SECONDS, GoneQueues
from tests.ledgers import register


class Broker:
    """Notes what it is asked to delete; what is `used` is not."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.asked: list[str] = []

    def delete_unused(self, queue: str) -> bool:
        self.asked.append(queue)
        return queue not in self.used


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def gone(ledger, broker, clock) -> GoneQueues:
    return GoneQueues(broker, ledger.now, clock)


def look(gone: GoneQueues, ledger, broker: Broker, clock) -> list[str]:
    clock.now += EVERY_SECONDS
    broker.asked.clear()
    gone.delete_due(ledger.views.workers())
    return broker.asked


def test_queues_go_a_while_after_the_last_who_served_them(gone, ledger, broker, clock):
    first, _ = register(ledger, "gpu0@a"), register(ledger, "gpu1@a")
    ledger.workers.retire("gpu0@a", first)
    assert look(gone, ledger, broker, clock) == []
    clock.now += GONE_SECONDS
    second = register(ledger, "gpu1@a")
    assert look(gone, ledger, broker, clock) == ["gpu.a.0"]
    ledger.workers.retire("gpu1@a", second)
    broker.used.add("sketch@1")
    clock.now += GONE_SECONDS
    assert look(gone, ledger, broker, clock) == ["gpu.a.1", "node.a", "sketch@1"]
    assert look(gone, ledger, broker, clock) == ["sketch@1"]  # what could not go is tried again
    register(ledger, "gpu0@a")
    assert look(gone, ledger, broker, clock) == []
