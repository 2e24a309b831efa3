"""A callback is owed as soon as its job has ended, whatever ended it, and until it is settled."""

from __future__ import annotations

import pytest

from tasks.ledger.callbacks import Callbacks
from tests.ledgers import accept_one, register, run

URL = "https://example.com/done"


@pytest.fixture
def table(ledger) -> Callbacks:
    return ledger.callbacks


def due(table: Callbacks, limit: int = 100, per_owner: int = 100) -> list[str]:
    return [owed.job_id for owed in table.due(limit, per_owner)]


def test_nothing_is_owed_before_the_end_and_nothing_to_those_who_did_not_ask(ledger, table):
    accept_one(ledger, callback_url=URL)
    silent, told = accept_one(ledger), accept_one(ledger, callback_url=URL)
    epoch = register(ledger, slots=2)
    ledger.workers.claim(told, "gpu0@a", epoch)
    run(ledger, silent, epoch=epoch)
    assert due(table) == []


def test_a_job_that_succeeds_and_one_that_fails_call_back(ledger, table):
    good, bad = accept_one(ledger, callback_url=URL), accept_one(ledger, callback_url=URL)
    epoch = register(ledger, slots=2)
    run(ledger, good, epoch=epoch)
    job = ledger.workers.claim(bad, "gpu0@a", epoch)
    ledger.workers.fail(bad, job.attempt, "gpu0@a", epoch, "internal", "broken")
    assert due(table) == [good, bad]


def test_a_cancel_in_the_queue_a_missed_deadline_and_a_lost_worker_call_back(open_ledger, clock):
    ledger = open_ledger(max_attempts=1)
    table = ledger.callbacks
    cancelled, late, lost = (
        accept_one(ledger, callback_url=URL, **more) for more in ({}, {"start_within": 5.0}, {})
    )
    ledger.submissions.cancel(cancelled)
    assert due(table) == [cancelled]
    ledger.workers.claim(lost, "gpu0@a", register(ledger))
    clock.now += 11
    ledger.dispatch.expire_deadlines()
    assert due(table) == [cancelled, late]
    ledger.dispatch.expire_workers()
    assert due(table) == [cancelled, late, lost]


def test_followers_and_those_who_are_given_a_finished_song_call_back(ledger, table):
    leader, follower = accept_one(ledger, seed=7), accept_one(ledger, seed=7, callback_url=URL)
    run(ledger, leader, epoch=register(ledger))
    assert due(table) == [follower]
    at_once = accept_one(ledger, seed=7, callback_url=URL)
    assert due(table) == [follower, at_once]


def test_what_is_postponed_is_due_later_and_what_is_settled_never(ledger, table, clock):
    job_id = accept_one(ledger, callback_url=URL)
    ledger.submissions.cancel(job_id)
    table.postpone(job_id, 10.0)
    clock.now += 9
    assert due(table) == []
    clock.now += 1
    (owed,) = table.due(1, 1)
    assert (owed.job_id, owed.tries) == (job_id, 1)
    table.settle(job_id)
    assert due(table) == []


def test_one_owner_does_not_fill_the_line(ledger, table):
    many = [accept_one(ledger, callback_url=URL, owner="busy") for _ in range(5)]
    one = accept_one(ledger, callback_url=URL, owner="other")
    for job_id in [*many, one]:
        ledger.submissions.cancel(job_id)
    assert due(table, limit=3, per_owner=2) == [*many[:2], one]


def test_a_job_that_is_not_accepted_promises_nothing(open_ledger, clock):
    ledger = open_ledger(max_queued=1)
    first = accept_one(ledger)
    refused = pytest.raises(Exception, match="wait")
    with refused:
        accept_one(ledger, callback_url=URL)
    ledger.submissions.cancel(first)
    assert due(ledger.callbacks) == []
