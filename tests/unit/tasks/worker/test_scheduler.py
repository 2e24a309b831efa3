from collections.abc import Callable

import pytest

from tasks.engines.engine import Song
from tasks.jobs import ErrorClass, JobRequest
from tasks.worker.messages import Broke, Joined, Left, Made, Make, Moved
from tasks.worker.scheduler import LOOK_AHEAD, PATIENCE, EngineBroken, Event, Scheduler
from tests.engines import STEPS, Tone, ToneState


def order(run: int, prompt: str = "a plain tone", *, variation: int = 1, alone: bool = False) -> Make:
    request = JobRequest(prompt=prompt, duration=5)
    return Make(
        order=run, song=Song(job_id=f"j{run}", variation=variation, seed=run, request=request), alone=alone
    )


def drive(scheduler: Scheduler, until: Callable[[], bool] | None = None) -> list[Event]:
    """Turn until nothing is left to do, or `until` holds."""
    events: list[Event] = []
    for _ in range(1000):
        if scheduler.idle or (until and until()):
            return events
        events.extend(scheduler.advance())
    raise AssertionError("the scheduler never comes to rest")


def runs(events: list[Event], kind: type) -> list[int]:
    return [event.order for event in events if isinstance(event, kind)]


def test_songs_that_fit_are_made_together() -> None:
    scheduler = Scheduler(engine := Tone())
    for run in (1, 2, 3):
        scheduler.add(order(run))
    events = drive(scheduler)
    assert engine.batches == [["j1", "j2", "j3"]] * STEPS
    assert runs(events, Made) == [1, 2, 3]
    assert {event.batch for event in events if isinstance(event, Made)} == {3}


def test_a_song_joins_between_two_steps_and_leaves_when_it_is_done() -> None:
    scheduler = Scheduler(engine := Tone())
    scheduler.add(order(1, "long steps=6"))
    list(scheduler.advance())
    scheduler.add(order(2, "short steps=2"))
    drive(scheduler)
    assert engine.batches == [["j1"], ["j1", "j2"], ["j1", "j2"], ["j1"], ["j1"], ["j1"]]


def test_a_song_is_announced_before_the_engine_sees_it() -> None:
    scheduler = Scheduler(Tone())
    scheduler.add(order(1))
    kinds = [type(event) for event in drive(scheduler)]
    assert (kinds[0], kinds[-1]) == (Joined, Made)
    assert kinds.count(Moved) == STEPS


def test_the_limit_bounds_the_batch() -> None:
    scheduler = Scheduler(engine := Tone(), limit=2)
    for run in range(5):
        scheduler.add(order(run))
    drive(scheduler)
    assert max(map(len, engine.batches)) == 2


def test_a_job_that_left_takes_no_further_step() -> None:
    scheduler = Scheduler(engine := Tone())
    scheduler.add(order(1, "long steps=50"))
    scheduler.add(order(2))
    list(scheduler.advance())
    assert scheduler.leave(1) == Left(order=1)
    drive(scheduler)
    assert all("j1" not in batch for batch in engine.batches[1:])


def test_the_engine_hears_that_the_last_song_left() -> None:
    scheduler = Scheduler(engine := Tone())
    scheduler.add(order(1, "long steps=50"))
    list(scheduler.advance())
    scheduler.leave(1)
    drive(scheduler)
    assert engine.batches == [["j1"], []]


def test_a_song_that_waits_can_leave_too() -> None:
    scheduler = Scheduler(engine := Tone(), limit=1)
    scheduler.add(order(1))
    scheduler.add(order(2))
    scheduler.leave(2)
    assert runs(drive(scheduler), Made) == [1]
    assert engine.batches == [["j1"]] * STEPS


def test_a_suspect_runs_with_nobody_beside_it() -> None:
    scheduler = Scheduler(engine := Tone())
    scheduler.add(order(1))
    scheduler.add(order(2, alone=True))
    scheduler.add(order(3))
    drive(scheduler)
    assert all(batch == ["j2"] for batch in engine.batches if "j2" in batch)
    assert engine.batches == [["j1"]] * STEPS + [["j2"]] * STEPS + [["j3"]] * STEPS


def test_the_variations_of_a_suspect_may_run_together() -> None:
    scheduler = Scheduler(engine := Tone())
    for variation in (1, 2):
        scheduler.add(order(1, variation=variation, alone=True))
    scheduler.add(order(2))
    drive(scheduler)
    assert engine.batches[0] == ["j1", "j1"]
    assert all("j2" not in batch for batch in engine.batches if "j1" in batch)


class Narrow(Tone):
    """Room for ten seconds of song at a time."""

    def fits(self, states: list[ToneState], song: Song) -> bool:
        return sum(state.song.request.duration for state in states) + song.request.duration <= 20


def long_order(run: int) -> Make:
    request = JobRequest(prompt="a long tone", duration=20)
    return Make(order=run, song=Song(job_id=f"j{run}", variation=1, seed=run, request=request))


def test_short_songs_go_before_a_long_one_that_does_not_fit_but_not_for_ever() -> None:
    scheduler = Scheduler(Narrow())
    scheduler.add(order(0, "short steps=2"))
    list(scheduler.advance())
    scheduler.add(long_order(1000))
    for run in range(1, 100):
        scheduler.add(order(run, f"short steps={1 + run % 3}"))
    events = drive(scheduler)
    order_joined = runs(events, Joined)
    assert 3 <= order_joined.index(1000) <= PATIENCE + LOOK_AHEAD
    assert sorted(runs(events, Made)) == [*range(100), 1000]


def test_memory_running_out_costs_the_neighbours_nothing_and_the_song_is_tried_alone() -> None:
    scheduler = Scheduler(engine := Tone())
    scheduler.add(order(1))
    scheduler.add(order(2, "so greedy a tone"))
    events = drive(scheduler)
    assert sorted(runs(events, Made)) == [1, 2]
    assert engine.batches[-STEPS:] == [["j2"]] * STEPS


def test_memory_running_out_for_a_song_alone_fails_it() -> None:
    scheduler = Scheduler(Tone())
    scheduler.add(order(1, "a huge tone"))
    scheduler.add(order(2))
    events = drive(scheduler)
    broke = [event for event in events if isinstance(event, Broke)]
    assert [(event.order, event.error_class) for event in broke] == [(1, ErrorClass.OUT_OF_MEMORY)]
    assert runs(events, Made) == [2]


def test_a_refused_song_fails_with_the_engines_words() -> None:
    scheduler = Scheduler(Tone())
    scheduler.add(order(1, "please refuse this"))
    scheduler.add(order(2))
    events = drive(scheduler)
    assert [event.detail for event in events if isinstance(event, Broke)] == [
        "this engine does not make that"
    ]
    assert runs(events, Made) == [2]


def test_an_unforeseen_error_of_a_song_alone_is_its_own() -> None:
    scheduler = Scheduler(Tone())
    scheduler.add(order(1, "a faulty tone"))
    seen: list[Event] = []
    with pytest.raises(EngineBroken):
        seen.extend(scheduler.advance())
    assert [event.error_class for event in seen if isinstance(event, Broke)] == [ErrorClass.INTERNAL]


def test_an_unforeseen_error_in_company_blames_nobody() -> None:
    scheduler = Scheduler(Tone())
    scheduler.add(order(1, "a faulty tone"))
    scheduler.add(order(2))
    seen: list[Event] = []
    with pytest.raises(EngineBroken):
        seen.extend(scheduler.advance())
    assert [event for event in seen if isinstance(event, Broke)] == []
