"""Sessions with a real PostgreSQL: how they are bounded, and what is said when one cannot be had."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

import psycopg
import pytest

from tasks.ledger import Ledger, LedgerUnavailable
from tasks.ledger.sql import sessions
from tasks.ledger.sql.database import Database
from tests.ledgers import accept, register, run
from tests.servers.postgresql import Postgresql


@pytest.fixture
def server():
    """A PostgreSQL of few connections, of this test's own."""
    own = Postgresql("max_connections=6", "superuser_reserved_connections=0", "max_wal_senders=0")
    own.start()
    yield own
    own.close()


@pytest.mark.parametrize("kind", ["read", "write"])
def test_every_session_has_our_bounds(postgresql, kind):
    with contextlib.closing(Database(postgresql.url())) as database, getattr(database, kind)() as connection:
        for name, value in sessions.BOUNDS.items():
            assert connection.exec_driver_sql(f"SHOW {name}").scalar() == value


def test_a_worker_needs_one_connection(postgresql):
    url = postgresql.ledger_url()
    with Ledger(url, connections=1) as ledger:
        epoch = register(ledger)
        assert all(run(ledger, job_id, epoch=epoch) for job_id in accept(ledger, 3))
        ledger.workers.renew("gpu0@a", epoch, {})
        ledger.views.queues()
        with psycopg.connect(url) as other:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            assert other.execute(query).fetchone()[0] == 2


def test_a_session_that_the_server_ended_meanwhile_is_not_used(server):
    with Ledger(server.ledger_url()) as ledger:
        accept(ledger)
        ledger.views.counters()
        server.kill()
        server.start()
        assert ledger.views.counters()["accepted"] == 1
        accept(ledger)


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_server_that_falls_silent_is_not_waited_for(postgresql, kind, monkeypatch):
    monkeypatch.setattr(sessions, "CHECK_SECONDS", 0.1)
    with contextlib.closing(Database(postgresql.url())) as database:
        database._watch._seconds = 0.5
        with pytest.raises(LedgerUnavailable, match="was lost"):
            ask_a_stopped_server(database, kind)
        with getattr(database, kind)() as another:
            assert another.exec_driver_sql("SELECT 1").scalar() == 1


def test_a_crowded_server_is_called_so(server):
    url = server.url()
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):
            for _ in range(10):
                stack.enter_context(psycopg.connect(url))
        with pytest.raises(LedgerUnavailable, match="as many connections as it takes"):
            Ledger(url)


def test_what_is_the_matter_is_named(postgresql, tmp_path):
    there = f"host={postgresql.folder}"
    wrong = {
        f"postgresql://tutti@/tutti?host={tmp_path}": "nothing listens",
        "postgresql://tutti@no.such.host.invalid/tutti": "no address",
        f"postgresql://tutti@/none?{there}": "create it",
        f"postgresql://nobody@/postgres?{there}": "refuses the user",
    }
    for url, words in wrong.items():
        with pytest.raises(LedgerUnavailable, match=words):
            Ledger(url)


def test_a_host_that_takes_connections_and_says_nothing_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        url = f"postgresql://tutti@127.0.0.1:{port}/tutti?connect_timeout=2&sslmode=disable"
        with pytest.raises(LedgerUnavailable, match="does not answer"):
            Ledger(url)


def test_a_standby_is_not_written_and_not_kept(postgresql):
    """The session ends, so that the next one may lead to the server that took over."""
    with contextlib.closing(Database(postgresql.url())) as database:
        before = process_of(database)
        with pytest.raises(LedgerUnavailable, match="standby"):
            write_to_a_standby(database)
        assert process_of(database) != before


def process_of(database: Database) -> int:
    with database.write() as connection:
        return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar())


def ask_a_stopped_server(database: Database, kind: str) -> None:
    with getattr(database, kind)() as connection:
        process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        os.kill(process, signal.SIGSTOP)
        try:
            connection.exec_driver_sql("SELECT 1")
        finally:
            os.kill(process, signal.SIGCONT)


def write_to_a_standby(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")  # as a standby's are
        connection.exec_driver_sql("CREATE TABLE found (id int)")
