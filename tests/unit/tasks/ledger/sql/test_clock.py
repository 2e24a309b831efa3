"""The time that all processes of a ledger agree on."""

from __future__ import annotations

import time

import pytest

from tasks.ledger.sql.clock import DatabaseClock
from tasks.ledger.sql.database import Database


def test_setting_a_machines_clock_moves_no_lease_of_a_ledger_for_many_machines(
    postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = DatabaseClock(Database(postgresql.url()))
    true = time.time
    assert clock() == pytest.approx(true(), abs=1.0)
    for hours in (1, -1):
        monkeypatch.setattr(time, "time", lambda hours=hours: true() + 3_600 * hours)
        assert clock() == pytest.approx(true(), abs=1.0)
