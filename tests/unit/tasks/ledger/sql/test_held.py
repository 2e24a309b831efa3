"""A host that falls silent amid a change of its own holds up nobody else's: each kind of change by each.

The host is a process that is stopped after all statements of the change and before its commit, as a cut of
its cable would leave it. Whoever waits for it is seen among the server's sessions.
"""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from tasks.ledger import Ledger, LedgerUnavailable
from tasks.ledger.sql import sessions, writer
from tests.ledgers import new_job
from tests.servers.changes import CHANGES, LIMIT
from tests.servers.holding import stopped_amid

IDLE = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'idle in transaction'"
DISPATCHER = ("release", "look after")  # of whom there is one
AT_ONCE = ("renew",)  # one statement without a transaction: nothing to be silent amid


@pytest.fixture
def url(postgresql) -> str:
    return postgresql.ledger_url()


def idle(url: str) -> int:
    """How many sessions of this ledger stand amid a transaction."""
    found = sa.make_url(url)
    with psycopg.connect(url, autocommit=True) as connection:
        return int(connection.execute(IDLE, [found.database]).fetchone()[0])


@pytest.fixture
def opened(url, monkeypatch):
    """Opens the ledger with a bound of one's own on waits for locks."""
    ledgers = []

    def opener(lock_timeout: str | None = None) -> Ledger:
        if lock_timeout:
            monkeypatch.setitem(sessions.BOUNDS, "lock_timeout", lock_timeout)
        ledgers.append(Ledger(url))
        return ledgers[-1]

    yield opener
    for one in ledgers:
        one.close()


def shard(ledger: Ledger) -> int:
    return ledger._store.shard


@pytest.mark.parametrize("silent", [name for name in CHANGES if name not in DISPATCHER + AT_ONCE])
def test_nobody_waits_for_a_host_that_is_silent_amid_a_change(url, opened, silent):
    ledger = opened(lock_timeout="1s")
    works = {
        name: change.prepared(ledger, f"other-{place}")
        for place, (name, change) in enumerate(CHANGES.items())
    }
    with stopped_amid(silent, url, ended_after="10min"):
        for name, work in works.items():
            try:
                work()
            except LedgerUnavailable as error:
                pytest.fail(f"{name} waited for {silent}: {error}")
        assert idle(url) == 1, "the silent host was ended before all had their turn"


def test_who_shares_a_row_with_a_silent_host_waits_for_it(url, opened):
    """The control of the test above: as it was when all wrote into one row."""
    ledger = opened(lock_timeout="1s")
    work = CHANGES["accept"].prepared(ledger, "other")
    with (
        stopped_amid("accept", url, ended_after="10min", shard=shard(ledger)),
        pytest.raises(LedgerUnavailable, match="another session holds"),
    ):
        work()


def test_the_server_ends_a_silent_session_before_those_who_wait_for_it_give_up(url, opened):
    ledger = opened()
    with stopped_amid("accept", url, shard=shard(ledger)):
        assert ledger.submissions.accept(new_job()).result(LIMIT).created
        assert idle(url) == 0
    assert ledger.views.counters()["accepted"] == 1


def test_what_waits_amid_its_transaction_is_refused_in_time_and_never_written(url, opened, monkeypatch):
    monkeypatch.setattr(writer, "PATIENCE", 1.0)
    monkeypatch.setattr(writer, "CHECK_SECONDS", 0.1)
    ledger, jobs = opened(lock_timeout="5s"), [new_job() for _ in range(3)]
    with stopped_amid("accept", url, ended_after="10min", shard=shard(ledger)):
        first = ledger.submissions.accept_many(jobs[:2])
        refused = first.result(LIMIT)
        assert ledger._store.writer._begun, "it was not refused amid its transaction"
        assert all("another session" in str(answer) for answer in refused)
        with pytest.raises(LedgerUnavailable):
            ledger.submissions.accept(jobs[2]).result(LIMIT)
        assert ledger.held_up
    assert ledger.submissions.accept(new_job()).result(LIMIT).created
    assert not any(ledger.views.get(job.id) for job in jobs)
