"""A shared ledger is migrated by one command; parts want its tables, or newer ones."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from tasks.ledger import Ledger, LedgerUnmigrated, whole
from tasks.ledger.sql.database import Database
from tasks.ledger.sql.migrate import HEAD, revision_of
from tasks.settings import Settings
from tests.ledgers import accept_one
from tests.servers.surroundings import ROOT, inherited


def of(url: str, tmp_path: Path) -> Ledger:
    return Ledger.of(Settings(ledger_url=url, data=tmp_path))


def mark(url: str, revision: str) -> None:
    with contextlib.closing(Database(url)) as database, database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :to"), {"to": revision})


def test_a_part_does_not_make_the_tables_of_a_shared_ledger(postgresql, tmp_path):
    url = postgresql.url()
    with pytest.raises(LedgerUnmigrated, match=f"no tables yet.*{HEAD}.*tutti migrate"):
        of(url, tmp_path)
    with contextlib.closing(Database(url)) as database:
        assert revision_of(database) is None
    assert whole.bring_up_to_date(url) == (None, HEAD)
    of(url, tmp_path).close()


def test_an_older_ledger_is_refused_by_its_revision(postgresql, tmp_path):
    url = postgresql.ledger_url()
    mark(url, "0001")
    with pytest.raises(LedgerUnmigrated, match="revision 0001"):
        of(url, tmp_path)


def test_a_ledger_of_the_next_version_serves_this_one(postgresql, tmp_path):
    url = postgresql.ledger_url()
    mark(url, "9999")
    with of(url, tmp_path) as ledger:
        accept_one(ledger)
    assert whole.bring_up_to_date(url) == ("9999", "9999")


def test_a_file_is_migrated_by_whoever_opens_it(tmp_path):
    Ledger.of(Settings(data=tmp_path)).close()
    with contextlib.closing(Database(f"sqlite:///{tmp_path / 'ledger.db'}")) as database:
        assert revision_of(database) == HEAD


def test_a_part_waits_until_the_ledger_is_migrated(postgresql, tmp_path):
    url = postgresql.url()
    environment = inherited() | {
        "TUTTI_LEDGER_URL": url, "TUTTI_DATA": str(tmp_path), "TUTTI_LOG_TO": "stdout",
        "TUTTI_BROKER_URL": f"redis+socket://{tmp_path}/none.sock",
    }  # fmt: skip
    tutti = [sys.executable, "-m", "compose.cli"]
    said = tmp_path / "said"
    with said.open("wb") as out:
        part = subprocess.Popen([*tutti, "dispatch"], env=environment, cwd=ROOT, stdout=out, stderr=out)
    try:
        until(said, "waits for the ledger: the ledger has no tables yet", part)
        done = subprocess.run(
            [*tutti, "migrate"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, f"the ledger has its tables now, of revision {HEAD}\n")
        until(said, "the ledger can be used", part)
        part.send_signal(signal.SIGTERM)
        assert part.wait(60) == 0
    finally:
        part.kill()


def until(file: Path, words: str, part: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while words not in file.read_text():
        assert part.poll() is None, file.read_text()
        assert time.monotonic() < deadline, file.read_text()
        time.sleep(0.1)
