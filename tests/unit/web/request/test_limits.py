from __future__ import annotations

import pytest

from web.request.limits import RateLimiter, window
from web.request.problems import Problem


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [("5r/s burst=10", 15, 3), ("5r/s", 5, 1), ("2r/m burst=1", 2, 60), ("1r/s burst=100", 101, 101)],
)
def test_the_window_keeps_the_rate_and_admits_the_burst(text, amount, seconds):
    item = window(text)
    assert item is not None
    assert (item.amount, item.get_expiry()) == (amount, seconds)


def test_off_means_no_limit():
    gate = RateLimiter("off")
    for _ in range(1_000):
        gate.admit("192.0.2.1")


def admitted(gate: RateLimiter, *who: tuple[str, str | None]) -> int:
    """How many come through; those that do not are told how long to wait."""
    refused = []
    for address, key in who:
        try:
            gate.admit(address, key)
        except Problem as problem:
            refused.append(problem)
    assert all(problem.kind.status == 429 and int(problem.headers["retry-after"]) >= 1 for problem in refused)
    return len(who) - len(refused)


def test_an_address_is_let_through_as_often_as_its_window_holds():
    gate = RateLimiter("2r/m burst=3")
    assert admitted(gate, *[("192.0.2.1", None)] * 20) == 4
    assert admitted(gate, ("192.0.2.2", None)) == 1


def test_random_keys_do_not_evade_the_limit_by_address():
    gate = RateLimiter("2r/m burst=3")
    assert admitted(gate, *[("192.0.2.1", f"key{number}") for number in range(20)]) == 4


def test_many_addresses_do_not_evade_the_limit_by_key():
    gate = RateLimiter("2r/m burst=3")
    assert admitted(gate, *[(f"192.0.2.{number}", "key") for number in range(20)]) == 4
