"""The short form of `make faults`: a round of each fault, and the controls that cost little time."""

from __future__ import annotations

import pytest

from tests.faults.faults import FAULTS
from tests.faults.rounds import control, run


@pytest.mark.parametrize("fault", [one for one in FAULTS if one.short], ids=lambda fault: fault.name)
def test_nothing_is_lost_doubled_or_half_there_after(fault):
    found = run(fault, runs=1, seed=1)
    assert found.jobs
    assert found.holds, found


@pytest.mark.parametrize("name", ["200 submits, one key", "kill -9 web"])
def test_the_check_notices_when_a_safeguard_is_out(name):
    fault = next(fault for fault in FAULTS if fault.name == name)
    assert control(fault, fault.controls[0], seed=1).endswith(": noticed")
