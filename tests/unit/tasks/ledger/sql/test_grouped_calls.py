"""Many claims and finishes in one transaction: each gets its own answer, after the commit."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tasks.jobs import JobState
from tasks.ledger import LedgerUnavailable
from tasks.ledger.sql.database import Database
from tasks.ledger.workers import finishes
from tests.ledgers import accept, accept_one, register, run, song

NAME = "gpu0@a"


@contextlib.contextmanager
def held(ledger):
    """Keep the writer busy, so that what is asked meanwhile is written together."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(*_):
        begun.set()
        go_on.wait(30)

    ledger._store.writer.submit(hold)
    assert begun.wait(30)
    try:
        yield
    finally:
        go_on.set()


def together(ledger, calls) -> list[Future]:
    """Make calls in threads of their own; all of them are gathered before any is written."""
    pool = ThreadPoolExecutor(len(calls))
    with held(ledger):
        answers = [pool.submit(call) for call in calls]
        until = time.monotonic() + 30
        while len(gathered(ledger)) < len(calls):
            assert time.monotonic() < until
            time.sleep(0.001)
    pool.shutdown()
    return answers


def gathered(ledger) -> list:
    group = ledger.workers._grouped._gathering
    return group.calls if group else []


def claimed(ledger, number: int) -> tuple[list[str], int]:
    ids, epoch = accept(ledger, number), register(ledger)
    assert all(ledger.workers.claim(job_id, NAME, epoch) for job_id in ids)
    return ids, epoch


def finishing(ledger, job_id, epoch, attempt=1, **values):
    return lambda: ledger.workers.finish(job_id, attempt, NAME, epoch, [song(job_id)], **values)


def test_claims_and_finishes_that_wait_share_one_transaction(ledger):
    running, epoch = claimed(ledger, 3)
    waiting = accept(ledger, 3)
    calls = [lambda job_id=job_id: ledger.workers.claim(job_id, NAME, epoch).id for job_id in waiting]
    times = []
    writes = ledger._store.database.write
    ledger._store.database.write = lambda: times.append(1) or writes()
    answers = together(ledger, calls + [finishing(ledger, job_id, epoch) for job_id in running])
    assert [answer.result() for answer in answers] == [*waiting, True, True, True]
    assert len(times) == 2  # the one that was held, and theirs
    counters = ledger.views.counters()
    assert (counters["running"], counters["succeeded"], counters["queued"]) == (3, 3, 0)
    assert all(len(ledger.views.history(job_id)) == 2 for job_id in running)


def test_a_job_that_two_ask_for_in_one_group_is_given_once(ledger):
    job_id, epoch = accept_one(ledger), register(ledger)
    answers = together(ledger, [lambda: ledger.workers.claim(job_id, NAME, epoch)] * 4)
    won = [job for job in (answer.result() for answer in answers) if job]
    assert [(job.id, job.attempt) for job in won] == [(job_id, 1)]
    assert ledger.views.counters()["running"] == 1


def test_in_one_group_only_those_whose_lease_holds_are_given_their_jobs(ledger):
    ids = accept(ledger, 4)
    old, other = register(ledger), register(ledger, "gpu1@a")
    new = register(ledger)
    asked = [(NAME, old), (NAME, new), ("gpu1@a", other), ("gpu1@a", other + 1)]
    calls = [
        lambda job=job, who=who: ledger.workers.claim(job, *who) for job, who in zip(ids, asked, strict=True)
    ]
    jobs = [answer.result() for answer in together(ledger, calls)]
    assert [job and (job.worker, job.attempt) for job in jobs] == [None, (NAME, 1), ("gpu1@a", 1), None]


def test_in_one_group_a_run_ends_only_by_whom_it_belongs_to(ledger):
    ids, epoch = claimed(ledger, 3)
    calls = [
        finishing(ledger, ids[0], epoch),
        finishing(ledger, ids[0], epoch),
        finishing(ledger, ids[1], epoch, attempt=2),
        finishing(ledger, ids[2], epoch + 1),
    ]
    assert [answer.result() for answer in together(ledger, calls)] == [True, True, False, False]
    states = [ledger.views.get(job_id).state for job_id in ids]
    assert states == [JobState.SUCCEEDED, JobState.RUNNING, JobState.RUNNING]
    assert ledger.views.counters()["succeeded"] == 1


def test_followers_of_a_group_share_their_own_leaders_audio(ledger):
    leaders = [accept_one(ledger, seed=seed) for seed in (1, 2)]
    followers = [accept_one(ledger, seed=seed) for seed in (1, 2, 2)]
    epoch = register(ledger)
    assert all(ledger.workers.claim(job_id, NAME, epoch) for job_id in leaders)
    answers = together(ledger, [finishing(ledger, job_id, epoch) for job_id in leaders])
    assert all(answer.result() for answer in answers)
    theirs = [ledger.views.get(job_id).outputs[0].name for job_id in followers]
    assert theirs == [f"{leaders[0]}.wav", f"{leaders[1]}.wav", f"{leaders[1]}.wav"]
    assert ledger.views.counters()["succeeded"] == 5


def test_one_call_that_cannot_be_written_leaves_its_neighbours_alone(ledger):
    ids, epoch = claimed(ledger, 4)
    calls = [finishing(ledger, job_id, epoch) for job_id in ids]
    calls[1] = finishing(ledger, ids[1], epoch, details={"not": object()})
    answers = together(ledger, calls)
    assert [type(answer.exception()) for answer in answers] == [type(None), TypeError, type(None), type(None)]
    assert [ledger.views.get(job_id).state for job_id in ids].count(JobState.SUCCEEDED) == 3
    assert ledger.views.get(ids[1]).state is JobState.RUNNING
    assert ledger.views.counters()["succeeded"] == 3


def test_an_error_of_the_database_reaches_every_caller_and_nothing_is_written(ledger, ledger_url):
    ids, epoch = claimed(ledger, 3)
    other = Database(ledger_url)
    try:
        with other.write() as connection:
            connection.execute(
                sa.text("ALTER TABLE worker_pace RENAME TO gone")
            )  # read by the last statement
        answers = together(ledger, [finishing(ledger, job_id, epoch) for job_id in ids])
        assert all(isinstance(answer.exception(), LedgerUnavailable) for answer in answers)
        assert all(ledger.views.get(job_id).state is JobState.RUNNING for job_id in ids)
        with other.write() as connection:
            connection.execute(sa.text("ALTER TABLE gone RENAME TO worker_pace"))
    finally:
        other.close()
    assert all(finishing(ledger, job_id, epoch)() for job_id in ids)


def test_an_answer_comes_only_after_the_commit_whose_error_reaches_every_caller(ledger, monkeypatch):
    ids, epoch = claimed(ledger, 3)
    writes = ledger._store.database.write

    @contextlib.contextmanager
    def full_disk():
        with writes() as connection:
            yield connection
            raise LedgerUnavailable("the disk is full")

    answers = []
    with monkeypatch.context() as patch:
        patch.setattr(ledger._store.database, "write", full_disk)
        answers = together(ledger, [finishing(ledger, job_id, epoch) for job_id in ids])
        assert all(isinstance(answer.exception(), LedgerUnavailable) for answer in answers)
    assert all(ledger.views.get(job_id).state is JobState.RUNNING for job_id in ids)
    assert all(finishing(ledger, job_id, epoch)() for job_id in ids)


def test_calls_are_answered_where_the_transaction_cannot_even_begin(ledger, monkeypatch):
    ids, epoch = claimed(ledger, 2)

    def away():
        raise LedgerUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(ledger._store.database, "write", away)
        answers = [ThreadPoolExecutor(1).submit(finishing(ledger, job_id, epoch)) for job_id in ids]
        assert all(isinstance(answer.exception(30), LedgerUnavailable) for answer in answers)
    assert all(finishing(ledger, job_id, epoch)() for job_id in ids)


def test_many_threads_lose_and_double_nothing(ledger):
    ids, epoch = accept(ledger, 300), register(ledger)
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda job_id: run(ledger, job_id, NAME, epoch), ids))
    assert done == [True] * 300
    counters = ledger.views.counters()
    assert (counters["succeeded"], counters["running"], counters["queued"]) == (300, 0, 0)
    assert all(line.attempt == 1 for job_id in ids for line in ledger.views.history(job_id))


@given(st.lists(st.floats(0.001, 1e4), min_size=1, max_size=20), st.floats(0.001, 1e4))
def test_runs_weighed_together_make_the_same_mean_as_one_after_another(seconds, before):
    mean, first = before, seconds[0]
    for one in seconds:
        mean = mean * (1 - finishes.PACE_WEIGHT) + one * finishes.PACE_WEIGHT
    for one in seconds[1:]:
        first = first * (1 - finishes.PACE_WEIGHT) + one * finishes.PACE_WEIGHT
    weighed = finishes._weighed(seconds)
    assert before * weighed["p_kept"] + weighed["p_added"] == pytest.approx(mean)
    assert weighed["seconds"] == pytest.approx(first)
