"""A ledger behind PgBouncer in transaction mode, which hands a session out for one transaction only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import psycopg
import pytest

from tasks.ledger import Ledger
from tasks.ledger.sql import sessions
from tests.ledgers import accept, new_job, register, run
from tests.servers.pgbouncer import Pgbouncer

HOSTS, EACH = 6, 20
OURS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture
def direct(postgresql) -> str:
    return postgresql.ledger_url()


@pytest.fixture
def url(postgresql, direct) -> Iterator[str]:
    pooler = Pgbouncer(postgresql)
    try:
        pooler.start()
        yield pooler.url(direct)
    finally:
        pooler.close()


def host(url: str, name: str) -> int:
    """Accept, claim and finish as many jobs as nothing prepared or set in a session would survive."""
    with Ledger(url) as ledger:
        epoch = register(ledger, f"gpu0@{name}")
        done = [run(ledger, job_id, f"gpu0@{name}", epoch) for job_id in accept(ledger, EACH)]
        ledger.workers.renew(f"gpu0@{name}", epoch, {})
        ledger.views.queues()
        return sum(done)


def test_many_hosts_share_few_sessions(url):
    with ThreadPoolExecutor(HOSTS) as pool:
        assert list(pool.map(lambda n: host(url, f"n{n}"), range(HOSTS))) == [EACH] * HOSTS
    with Ledger(url) as ledger:
        counted = ledger.views.counters()
        assert (counted["accepted"], counted["succeeded"]) == (HOSTS * EACH, HOSTS * EACH)


def test_each_transaction_has_its_bounds_and_leaves_none_behind(url):
    with Ledger(url) as ledger:
        database = ledger._store.database
        for kind in (database.read, database.write):
            with kind() as connection:
                assert sessions.is_pooled(connection)
                for name, value in sessions.BOUNDS.items():
                    assert connection.exec_driver_sql(f"SHOW {name}").scalar() == value
    with psycopg.connect(url, prepare_threshold=None, autocommit=True) as other:
        assert [other.execute(f"SHOW {name}").fetchone()[0] for name in OURS] == ["0", "0", "0"]


def test_a_direct_session_is_known_as_one(direct):
    with Ledger(direct) as ledger, ledger._store.database.read() as connection:
        assert not sessions.is_pooled(connection)


def test_many_threads_of_one_host_wait_for_its_few_connections(url):
    with Ledger(url) as ledger, ThreadPoolExecutor(20) as pool:
        wait([ledger.submissions.accept(new_job()) for _ in range(50)])
        counts = list(pool.map(lambda _: ledger.views.counters()["accepted"], range(100)))
        assert counts == [50] * 100
