"""The ledger as a store: durable, grouped, bounded, plain about its troubles."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import wait

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tasks.jobs import JobState
from tasks.ledger import Ledger, LedgerFull, LedgerUnavailable
from tasks.ledger.sql import disk_guard
from tasks.ledger.sql.database import Database
from tasks.ledger.sql.migrate import HEAD
from tasks.ledger.sql.schema import metadata
from tests.ledgers import accept, accept_one, new_job, register


def test_the_migrations_make_the_tables_that_the_code_means(ledger, ledger_url):
    database = Database(ledger_url)
    with database.writer.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_the_newest_migration_is_the_one_that_opening_looks_for():
    from tasks.ledger.sql import migrate

    folder = migrate.__file__.replace("migrate.py", "migrations")
    assert ScriptDirectory(folder).get_current_head() == HEAD


def test_processes_that_open_a_new_ledger_at_once_migrate_it_once(tmp_path, postgresql):
    for url in (f"sqlite:///{tmp_path / 'new' / 'ledger.db'}", postgresql.url()):
        script = f"from tasks.ledger import Ledger; Ledger({url!r}).close()"
        started = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]
        assert [process.wait(60) for process in started] == [0, 0, 0]


def test_many_threads_accept_and_every_job_is_there(ledger):
    answers = []

    def submit():
        answers.extend([ledger.submissions.accept(new_job()) for _ in range(50)])

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait(answers)
    assert len({answer.result().job.id for answer in answers}) == 200
    assert ledger.views.counters()["queued"] == 200


def test_one_job_that_cannot_be_written_leaves_its_neighbours_alone(ledger):
    twice = new_job()
    ledger.submissions.accept(twice).result()
    answers = [ledger.submissions.accept(one) for one in (new_job(), twice, new_job())]
    wait(answers)
    assert [type(answer.exception()) for answer in answers] == [type(None), LedgerUnavailable, type(None)]


def test_jobs_that_come_together_are_answered_in_their_order_and_the_bad_one_alone_is_refused(ledger):
    twice, good = new_job(), [new_job(), new_job()]
    ledger.submissions.accept(twice).result()
    first, bad, last = ledger.submissions.accept_many([good[0], twice, good[1]]).result()
    assert [first.job.id, last.job.id] == [one.id for one in good]
    assert isinstance(bad, LedgerUnavailable)
    assert ledger.views.counters()["queued"] == 3


def test_an_accepted_job_survives_kill_9_of_the_process_that_accepted_it(ledger, ledger_url):
    script = (
        "import sys; from tests.ledgers import *; from tasks.ledger import Ledger\n"
        f"ledger = Ledger({ledger_url!r})\n"
        "while True: print(accept_one(ledger), flush=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    told = [process.stdout.readline().strip() for _ in range(20)]
    process.kill()
    told += [line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    process.wait()
    assert all(ledger.views.get(job_id).state is JobState.QUEUED for job_id in told)


def test_beyond_max_queued_jobs_are_refused_until_some_leave(open_ledger):
    ledger = open_ledger(max_queued=3)
    first, *_ = accept(ledger, 3)
    with pytest.raises(LedgerFull):
        accept(ledger)
    ledger.workers.claim(first, "gpu0@a", register(ledger))
    assert accept(ledger)


def test_a_nearly_full_disk_refuses_before_accepting(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_guard, "KEEP_FREE", 2**62)
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger, pytest.raises(LedgerFull):
        accept(ledger)


def test_a_database_that_cannot_be_written_is_unavailable_and_works_again_after(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger(f"sqlite:///{path}") as ledger:
        job_id = accept_one(ledger)
        with sqlite3.connect(path) as other:
            other.execute("CREATE TRIGGER broken BEFORE INSERT ON jobs BEGIN SELECT RAISE(FAIL, 'disk'); END")
        with pytest.raises(LedgerUnavailable):
            accept(ledger)
        assert ledger.views.get(job_id)
        with sqlite3.connect(path) as other:
            other.execute("DROP TRIGGER broken")
        assert accept(ledger)


@pytest.mark.server
def test_a_postgresql_that_went_away_is_unavailable_and_found_again():
    from tests.servers.postgresql import Postgresql

    server = Postgresql()
    try:
        server.start()
        with Ledger(server.url()) as ledger:
            job_id = accept_one(ledger)
            server.kill()
            with pytest.raises(LedgerUnavailable):
                accept(ledger)
            with pytest.raises(LedgerUnavailable):
                ledger.views.get(job_id)
            server.start()
            assert ledger.views.get(job_id).state is JobState.QUEUED
            assert accept(ledger)
    finally:
        server.close()


def test_a_url_that_keeps_nothing_is_refused():
    with pytest.raises(ValueError, match="needs a file"):
        Ledger("sqlite://")


def test_positions_stay_cheap_with_many_waiting(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        answers = [ledger.submissions.accept(new_job(owner=f"owner{n % 50}")) for n in range(5_000)]
        last = answers[-1].result(60).job.id
        began = time.perf_counter()
        assert ledger.views.snapshots([last])[last].position == pytest.approx(5_000, abs=60)
        assert time.perf_counter() - began < 5  # a guard against quadratic work, not a measure


def test_reads_do_not_wait_for_a_writer(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with Ledger(url) as ledger:
        job_id = accept_one(ledger)
        database = Database(url)
        with database.write() as connection:
            connection.execute(sa.text("UPDATE live SET stage = 'held'"))
            assert ledger.views.get(job_id).stage is None
        database.close()
        assert ledger.views.get(job_id).stage == "held"
