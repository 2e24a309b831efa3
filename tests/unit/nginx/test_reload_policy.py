"""When a change among the web nodes is worth a reload."""

from __future__ import annotations

from nginx.gateway import ReloadPolicy
from nginx.node import Backends, Upstream

A, B = Upstream("a:1"), Upstream("b:1")
ONE, TWO, NONE = Backends((A,)), Backends((A, B)), Backends()


def test_no_change_is_no_reload() -> None:
    policy = ReloadPolicy(ONE, settle=0.5, rest=2.0)
    assert not any(policy.due(Backends((Upstream("a:1"),)), at) for at in (1.0, 5.0, 100.0))


def test_a_change_is_served_once_it_has_settled() -> None:
    policy = ReloadPolicy(ONE, settle=0.5, rest=2.0)
    assert [policy.due(TWO, at) for at in (1.0, 1.4, 1.5, 1.6)] == [False, False, True, False]
    assert policy.serving == TWO


def test_a_change_that_goes_back_is_never_served() -> None:
    policy = ReloadPolicy(ONE, settle=0.5, rest=2.0)
    assert not any(policy.due(seen, at) for seen, at in ((TWO, 1.0), (ONE, 1.2), (ONE, 9.0)))


def test_reloads_keep_their_distance() -> None:
    policy = ReloadPolicy(ONE, settle=0.5, rest=2.0)
    policy.due(TWO, 1.0)
    assert policy.due(TWO, 1.5)
    assert [policy.due(NONE, at) for at in (1.6, 2.2, 3.4, 3.5)] == [False, False, False, True]
