from __future__ import annotations

import pytest

from observability.back_off import BackOff


def test_pauses_double_to_their_bound():
    back_off = BackOff(first=0.5, longest=30.0)
    assert [back_off.pause(failures) for failures in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize("failures", [1, 5, 10_000])
def test_chance_takes_away_no_more_than_the_spread(failures):
    whole, spread = BackOff(first=2.0, longest=3600.0), BackOff(first=2.0, longest=3600.0, spread=0.5)
    pauses = {spread.pause(failures) for _ in range(200)}
    assert len(pauses) > 100
    assert whole.pause(failures) / 2 <= min(pauses) <= max(pauses) <= whole.pause(failures)
