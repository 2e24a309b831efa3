"""When a change among the web nodes is worth a reload."""

from __future__ import annotations

from nginx.gateway import Watch
from nginx.node import Backends, WebNode

A, B = WebNode("a:1"), WebNode("b:1")
ONE, TWO, NONE = Backends((A,)), Backends((A, B)), Backends()


def test_no_change_is_no_reload() -> None:
    watch = Watch(ONE, settle=0.5, rest=2.0)
    assert not any(watch.due(Backends((WebNode("a:1"),)), at) for at in (1.0, 5.0, 100.0))


def test_a_change_is_served_once_it_has_settled() -> None:
    watch = Watch(ONE, settle=0.5, rest=2.0)
    assert [watch.due(TWO, at) for at in (1.0, 1.4, 1.5, 1.6)] == [False, False, True, False]
    assert watch.serving == TWO


def test_a_change_that_goes_back_is_never_served() -> None:
    watch = Watch(ONE, settle=0.5, rest=2.0)
    assert not any(watch.due(seen, at) for seen, at in ((TWO, 1.0), (ONE, 1.2), (ONE, 9.0)))


def test_reloads_keep_their_distance() -> None:
    watch = Watch(ONE, settle=0.5, rest=2.0)
    watch.due(TWO, 1.0)
    assert watch.due(TWO, 1.5)
    assert [watch.due(NONE, at) for at in (1.6, 2.2, 3.4, 3.5)] == [False, False, False, True]
