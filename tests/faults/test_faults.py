"""The short form of `make faults`: a round of each fault, and the controls that cost little time."""

from __future__ import annotations

import pytest

from tests.faults.__main__ import control, run
from tests.faults.faults import FAULTS


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_is_lost_doubled_or_half_there_after(fault):
    found = run(fault, runs=1, seed=1)
    assert found.jobs
    assert found.holds, found


@pytest.mark.parametrize("name", ["200 submits, one key", "kill -9 accepter"])
def test_the_check_notices_when_a_safeguard_is_out(name):
    assert control(next(fault for fault in FAULTS if fault.name == name), seed=1)
