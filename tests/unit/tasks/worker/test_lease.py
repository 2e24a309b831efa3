"""A lease tells whether the ledger answers: one that is late does not."""

from __future__ import annotations

import threading

import pytest

from tasks.ledger import LedgerUnavailable, Renewal, Vitals, WorkerInfo
from tasks.worker import lease as lease_
from tasks.worker.attempts import Attempts
from tasks.worker.lease import Lease
from tests.servers.workers import eventually

INFO = WorkerInfo(id="gpu0@box", node="box", queues=("tone@1",), engine="tone", model_version="1")


class Slow:
    """The ledger's part for workers, answering when it is let."""

    def __init__(self) -> None:
        self.workers = self
        self.answers = threading.Event()
        self.answers.set()
        self.fails = False

    def register(self, info: WorkerInfo) -> int:
        return 1

    def retire(self, worker: str, epoch: int) -> None:
        return None

    def renew(self, *_: object) -> Renewal:
        self.answers.wait(60)
        if self.fails:
            raise LedgerUnavailable("away")
        return Renewal(alive=True)


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Slow:
    monkeypatch.setattr(lease_, "LATE_SECONDS", 0.2)
    return Slow()


def held(ledger: Slow, seconds: float = 0.2) -> Lease:
    return Lease(ledger, INFO, Attempts(), Vitals, seconds)  # type: ignore[arg-type]


def test_an_answer_that_is_late_is_none_until_it_comes(ledger: Slow) -> None:
    lease = held(ledger)
    assert lease.answered
    ledger.answers.clear()
    eventually(lambda: not lease.answered)
    ledger.answers.set()
    eventually(lambda: lease.answered)
    lease.retire()


def test_a_ledger_that_was_found_away_is_asked_at_once_and_not_in_time(ledger: Slow) -> None:
    lease = held(ledger, seconds=4_000)
    lease.doubt()
    assert not lease.answered
    eventually(lambda: lease.answered)
    ledger.fails = True
    lease.doubt()
    eventually(lambda: not lease.answered)
    ledger.fails = False
    eventually(lambda: lease.answered)
    lease.retire()
