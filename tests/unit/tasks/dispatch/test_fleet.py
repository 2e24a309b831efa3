"""Who serves what, and for how long nobody has."""

from __future__ import annotations

from tasks.dispatch.fleet import ORPHANED_SECONDS, Fleet
from tasks.ledger import WorkerView


def worker(*queues: str, running: int = 0, slots: int = 2, alive: bool = True) -> WorkerView:
    return WorkerView(
        id="gpu0@a", node="a", device="cpu", queues=queues, engine="sketch", model_version="1", slots=slots,
        epoch=1, running=running, seen_at=0.0, alive=alive,
    )  # fmt: skip


def test_the_slots_of_a_queue_are_those_of_its_living_workers():
    fleet = Fleet([worker("sketch@1"), worker("sketch@1", slots=3), worker("sketch@1", alive=False)])
    assert (fleet.slots("sketch@1"), fleet.slots("sketch@2")) == (5, 0)


def test_room_counts_from_when_it_was_there_without_a_pause():
    free, full = [worker("q")], [worker("q", running=2)]
    fleet = Fleet(free, 0.0).next(free, 2.0)
    assert fleet.idle_seconds("q") == 2.0
    assert fleet.next(full, 3.0).idle_seconds("q") == 0.0
    assert fleet.next(full, 3.0).next(free, 4.0).next(free, 5.0).idle_seconds("q") == 1.0


def test_a_version_is_orphaned_when_nobody_has_served_it_for_long_and_another_is_served():
    others = [worker("sketch@2")]
    fleet = Fleet(others, 0.0)
    assert fleet.orphaned(["sketch@1"]) == []
    fleet = fleet.next(others, ORPHANED_SECONDS - 1)
    assert fleet.orphaned(["sketch@1", "sketch@2"]) == []
    fleet = fleet.next(others, ORPHANED_SECONDS)
    assert fleet.orphaned(["sketch@1", "sketch@2"]) == [("sketch@1", "sketch@2")]


def test_a_version_without_any_other_of_its_model_waits():
    fleet = Fleet([worker("acestep@1")], 0.0)
    assert fleet.orphaned(["sketch@1"]) == []
    assert fleet.next([worker("acestep@1")], 10 * ORPHANED_SECONDS).orphaned(["sketch@1"]) == []


def test_a_version_whose_worker_came_back_is_given_its_time_again():
    old, new = worker("sketch@1"), worker("sketch@2")
    fleet = Fleet([new], 0.0)
    fleet.orphaned(["sketch@1"])
    fleet = fleet.next([old, new], 20.0)
    fleet.orphaned(["sketch@1"])
    fleet = fleet.next([new], 40.0)
    assert fleet.orphaned(["sketch@1"]) == []
