"""Long songs stand back for short ones, for a bounded time, and sound the same."""

from __future__ import annotations

import pytest

from tasks.engines.acestep.denoising import step_policy
from tests.unit.tasks.engines.acestep.songs import alone, difference, song, together

PATCH = 2
NOW = 1_000.0


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(step_policy, "FILL", 256)


def states(engine, *lengths: float, waited: float = 0.0) -> list:
    made = [engine.admit(song(n, duration=length)) for n, length in enumerate(lengths)]
    for state in made:
        state.since = NOW - waited
    return made


def lengths(chosen: list) -> list[float]:
    return [state.song.request.duration for state in chosen]


def test_all_go_where_they_do_not_fill_a_step(engine):
    assert lengths(step_policy.due(states(engine, 5.0, 10.0, 5.0), PATCH, NOW)) == [5.0, 10.0, 5.0]


def test_the_long_stand_back_for_the_short_that_fill_a_step(engine):
    asked = states(engine, 60.0, 5.0, 120.0, 10.0)
    assert lengths(step_policy.due(asked, PATCH, NOW)) == [5.0, 10.0]
    assert lengths(step_policy.due(asked[::2], PATCH, NOW)) == [60.0], "somebody goes, though it fills more"


def test_songs_of_one_length_all_go(engine):
    assert len(step_policy.due(states(engine, *[20.0] * 5), PATCH, NOW)) == 5


def test_who_has_begun_goes_before_who_has_not(engine):
    new, begun = states(engine, 18.0, 20.0)
    begun.taken = 2
    assert step_policy.due([new, begun], PATCH, NOW) == [new, begun], "no longer than another that goes"
    begun.taken, new.since = 0, NOW
    assert step_policy.due([new, begun], PATCH, NOW) == [new]


def test_nobody_is_passed_for_ever(engine):
    [old] = states(engine, 120.0, waited=60.0)
    new = states(engine, *[5.0] * 9)
    assert old in step_policy.due([*new, old], PATCH, NOW)


def test_standing_back_changes_nothing_in_a_song(engine):
    songs = [song(1, duration=40.0), song(2, duration=5.0, steps=5), song(3, duration=12.0), song(4)]
    for made, one in zip(together(engine, songs), songs, strict=True):
        assert difference(made, alone(engine, one)) < 1e-6
