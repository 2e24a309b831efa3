"""The courier: what is owed is delivered, again where that helps, and settled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from observability.logging import configure
from tasks.dispatch.callbacks import PER_OWNER, CallbackSender
from tasks.dispatch.delivery import Receipt
from tasks.ledger import LedgerUnavailable
from tasks.ledger.callbacks import Callbacks
from tests.ledgers import Clock, accept_one, register, run
from tests.servers.workers import eventually

URL = "https://example.com/done"
TAKEN = Receipt(taken=True, final=True, why="answered 200")
FAILING = Receipt(taken=False, final=False, why="answered 500")
REFUSED = Receipt(taken=False, final=True, why="answered 404")


class Receiver:
    """Gives answers, the last one again and again, and keeps what was posted."""

    def __init__(self, *answers: Receipt) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, url: str, document: dict[str, Any], **_: Any) -> Receipt:
        self.seen.append((url, document))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def table(ledger) -> Callbacks:
    return ledger.callbacks


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    path = tmp_path / "dispatch.jsonl"
    configure("tutti-dispatch", path)
    yield lambda: [orjson.loads(line)["event"]["action"] for line in path.read_bytes().splitlines()]
    configure("tutti-test", None, level="error")


def courier(ledger, post) -> CallbackSender:
    return CallbackSender(ledger, lambda name: f"https://tutti.example/output/{name}", 24.0, post)


def turn(one: CallbackSender) -> None:
    one.hand_out_due()
    eventually(lambda: not one._under_way)


def cancelled(ledger, **values: Any) -> str:
    job_id = accept_one(ledger, callback_url=URL, **values)
    ledger.submissions.cancel(job_id)
    return job_id


def test_who_asked_to_hear_is_told_how_the_job_ended_and_told_once(ledger, table, lines):
    receiver = Receiver(TAKEN)
    one, job_id = courier(ledger, receiver), cancelled(ledger)
    turn(one)
    turn(one)
    ((url, document),) = receiver.seen
    assert url == URL
    assert (document["id"], document["state"], document["outputs"]) == (job_id, "cancelled", [])
    assert document["error"]["class"] == "cancelled_by_user"
    assert lines() == ["callback.delivered"]


def test_a_song_is_told_with_the_address_of_its_file(ledger, table):
    receiver = Receiver(TAKEN)
    job_id = accept_one(ledger, callback_url=URL)
    run(ledger, job_id, epoch=register(ledger))
    turn(courier(ledger, receiver))
    ((_, document),) = receiver.seen
    assert document["outputs"][0]["url"] == f"https://tutti.example/output/{job_id}.wav"


def test_a_failing_receiver_is_tried_later_and_later(ledger, table, clock: Clock, lines):
    receiver = Receiver(FAILING, FAILING, TAKEN)
    one = courier(ledger, receiver)
    cancelled(ledger)
    turn(one)
    turn(one)
    assert len(receiver.seen) == 1
    for seconds in (2.0, 4.0):
        clock.now += seconds
        turn(one)
    assert lines() == ["callback.postponed", "callback.postponed", "callback.delivered"]


def test_a_receiver_that_fails_for_too_long_is_given_up(ledger, table, clock: Clock, lines):
    receiver = Receiver(FAILING)
    one = courier(ledger, receiver)
    cancelled(ledger)
    turn(one)
    clock.now += 24 * 3600.0 + 1
    turn(one)
    clock.now += 24 * 3600.0
    turn(one)
    assert lines() == ["callback.postponed", "callback.failed"]
    assert len(receiver.seen) == 2


def test_a_receiver_that_refuses_is_not_asked_again(ledger, table, clock: Clock, lines):
    receiver = Receiver(REFUSED)
    one = courier(ledger, receiver)
    cancelled(ledger)
    turn(one)
    clock.now += 3600.0
    turn(one)
    assert (len(receiver.seen), lines()) == (1, ["callback.failed"])


def test_one_delivery_that_breaks_does_not_end_the_others(ledger, table):
    told: list[str] = []

    def post(_: str, document: dict[str, Any], **__: Any) -> Receipt:
        if document["id"] == bad:
            raise RuntimeError("no such thing")
        told.append(document["id"])
        return TAKEN

    bad, good = cancelled(ledger), cancelled(ledger)
    turn(courier(ledger, post))
    assert told == [good]


def test_one_owners_slow_receiver_leaves_room_for_the_others(ledger, table):
    slow = [accept_one(ledger, callback_url=URL, owner="slow") for _ in range(2 * PER_OWNER)]
    go, told = threading.Event(), []

    def post(_: str, document: dict[str, Any], **__: Any) -> Receipt:
        if document["id"] in slow:
            go.wait(60)
        told.append(document["id"])
        return TAKEN

    one = courier(ledger, post)
    for half in (slow[PER_OWNER:], slow[:PER_OWNER]):  # those that were promised first end last
        for job_id in half:
            ledger.submissions.cancel(job_id)
        one.hand_out_due()
    assert set(one._under_way) == set(slow[PER_OWNER:])
    quick = cancelled(ledger, owner="quick")
    one.hand_out_due()
    eventually(lambda: told == [quick])
    go.set()
    for _ in slow:
        turn(one)
    assert sorted(told) == sorted([quick, *slow])


def test_what_was_taken_is_not_posted_again_while_the_ledger_cannot_be_written(ledger, table, monkeypatch):
    receiver = Receiver(TAKEN)
    one, settle = courier(ledger, receiver), table.settle

    def away(_: str) -> None:
        raise LedgerUnavailable("away")

    cancelled(ledger)
    monkeypatch.setattr(table, "settle", away)
    turn(one)
    turn(one)
    monkeypatch.setattr(table, "settle", settle)
    turn(one)
    assert len(receiver.seen) == 1
    assert table.due(10, 10) == []
