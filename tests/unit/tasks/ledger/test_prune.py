"""Records of jobs that ended long ago go whole; what is still of use to anybody stays."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tasks.ledger import Ledger
from tasks.ledger.retention import bygone
from tasks.ledger.sql.schema import idempotency, jobs, transitions, usage_shards
from tasks.security.keys import Quota
from tests.ledgers import accept, accept_one, new_job, register, run

DAY = 86_400.0


def rows(ledger: Ledger, *tables: sa.Table) -> list[int]:
    with ledger._store.database.read() as connection:
        return [connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in tables]


@pytest.fixture
def pruned(ledger, clock):
    return lambda days=180.0, limit=200: ledger.retention.prune(clock.now - days * DAY, limit)


def test_a_failed_jobs_record_goes_by_age_with_its_history_and_its_key(ledger, clock, pruned):
    job_id = accept_one(ledger, idempotency_key="k", body_hash="b")
    ledger.submissions.cancel(job_id)
    clock.now += 179 * DAY
    assert pruned() == 0
    assert not ledger.submissions.accept(new_job(idempotency_key="k", body_hash="b")).result().created
    clock.now += 2 * DAY
    assert pruned() == 1
    assert ledger.views.get(job_id) is None
    assert list(ledger.views.history(job_id)) == []
    assert rows(ledger, jobs, transitions, idempotency) == [0, 0, 0]
    assert ledger.submissions.accept(new_job(idempotency_key="k", body_hash="other")).result().created


def test_the_counters_stay(ledger, clock, pruned):
    ledger.submissions.cancel(accept_one(ledger))
    before = ledger.views.counters()
    clock.now += 181 * DAY
    assert pruned() == 1
    assert ledger.views.counters() == before


def test_a_song_keeps_its_record_and_those_who_share_it_for_as_long_as_it_is_there(ledger, clock, pruned):
    first = accept_one(ledger, seed=7)
    run(ledger, first, epoch=register(ledger))
    second = accept_one(ledger, seed=7)
    clock.now += 400 * DAY
    assert pruned() == 0
    assert ledger.submissions.accept(new_job(seed=7)).result().job.cache_hit
    ledger.retention.expire_songs(lambda _: None, 0.0)
    assert pruned() == 2  # the third was given the song just now
    assert [ledger.views.get(one) for one in (first, second)] == [None, None]
    assert not ledger.submissions.accept(new_job(seed=7)).result().job.cache_hit


def test_jobs_that_wait_or_run_stay_however_old(ledger, clock, pruned):
    waiting, running = accept(ledger, 2)
    ledger.workers.claim(running, "gpu0@a", register(ledger))
    clock.now += 1000 * DAY
    assert pruned() == 0
    assert all(ledger.views.get(one) for one in (waiting, running))


def test_a_record_waits_for_its_callback(ledger, clock, pruned):
    job_id = accept_one(ledger, callback_url="https://example.com/done")
    ledger.submissions.cancel(job_id)
    clock.now += 181 * DAY
    assert pruned() == 0
    ledger.callbacks.settle(job_id)
    assert pruned() == 1


def test_a_group_is_small_and_the_oldest_go_first(ledger, clock, pruned):
    ids = accept(ledger, 5)
    for job_id in ids:
        clock.now += 1
        ledger.submissions.cancel(job_id)
    clock.now += 181 * DAY
    assert pruned(limit=2) == 2
    assert [ledger.views.get(one) is None for one in ids] == [True, True, False, False, False]
    assert (pruned(limit=2), pruned(limit=2), pruned(limit=2)) == (2, 1, 0)


def test_what_was_used_on_days_long_ago_is_forgotten(ledger, clock):
    accept_one(ledger, quota=Quota(jobs_a_day=5))
    ledger.retention.prune_sums(clock.now)
    assert rows(ledger, usage_shards) == [1]
    ledger.retention.prune_sums(clock.now + DAY)
    assert rows(ledger, usage_shards) == [0]


def test_old_records_are_found_without_reading_all(ledger, clock):
    if ledger._store.database.sqlite:
        with ledger._store.database.read() as connection:
            compiled = bygone(clock.now, 10).compile(
                connection.engine, compile_kwargs={"literal_binds": True}
            )
            plan = " ".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))
        assert "jobs_bygone" in plan
