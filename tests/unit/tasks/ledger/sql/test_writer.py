"""The one thread that writes, while another process holds a SQLite ledger and does not go on."""

from __future__ import annotations

import contextlib

import pytest

from tasks.ledger import Ledger, LedgerUnavailable
from tasks.ledger.sql import writer
from tests.ledgers import new_job
from tests.servers.holding import held

LIMIT = 30  # seconds


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "PATIENCE", 0.2)
    monkeypatch.setattr(writer, "CHECK_SECONDS", 0.05)
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def test_what_cannot_be_written_in_time_is_refused_and_never_written(ledger, tmp_path):
    jobs = [new_job() for _ in range(3)]
    with held(f"sqlite:///{tmp_path / 'ledger.db'}"):
        first, both = ledger.submissions.accept(jobs[0]), ledger.submissions.accept_many(jobs[1:])
        with pytest.raises(LedgerUnavailable, match="another process"):
            first.result(LIMIT)
        assert [type(answer) for answer in both.result(LIMIT)] == [LedgerUnavailable] * 2
        assert ledger.held_up
    later = ledger.submissions.accept(new_job()).result(LIMIT).job
    assert ledger.views.get(later.id)
    assert not ledger.held_up
    assert [ledger.views.get(job.id) for job in jobs] == [None] * 3


def test_a_change_is_refused_as_well_and_the_next_one_is_made(ledger, tmp_path):
    job = ledger.submissions.accept(new_job()).result(LIMIT).job
    with held(f"sqlite:///{tmp_path / 'ledger.db'}"), pytest.raises(LedgerUnavailable):
        ledger.submissions.cancel(job.id)
    assert ledger.views.get(job.id).state == "queued"
    assert ledger.submissions.cancel(job.id).state == "cancelled"


def test_what_waits_when_the_ledger_is_closed_is_written(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with contextlib.closing(Ledger(url)) as opened:
        answers = [opened.submissions.accept(new_job()) for _ in range(50)]
    with Ledger(url) as again:
        assert all(again.views.get(answer.result(0).job.id) for answer in answers)
