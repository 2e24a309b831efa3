"""Who goes next: fair among owners, by priority, within the window."""

from __future__ import annotations

from tests.ledgers import QUEUE, accept, accept_one, register


def ids(releases):
    return [release.job_id for release in releases]


def test_no_more_than_the_window_is_out_and_unclaimed(ledger):
    accept(ledger, 10)
    first = ids(ledger.dispatch.release(4))
    assert len(first) == 4
    assert ledger.dispatch.release(4) == []
    epoch = register(ledger, slots=9)
    ledger.workers.claim(first[0], "gpu0@a", epoch)
    assert len(ledger.dispatch.release(4)) == 1


def test_five_hundred_jobs_delay_anothers_first_by_no_more_than_one_job_a_worker(ledger):
    workers = 2
    accept(ledger, 500, owner="ada")
    epoch = register(ledger, slots=workers)
    running = [
        ledger.workers.claim(job_id, "gpu0@a", epoch) for job_id in ids(ledger.dispatch.release(workers))
    ]
    out = ids(ledger.dispatch.release(workers))
    theirs = accept_one(ledger, owner="bob")
    started = []
    while theirs not in started:
        ended = running.pop(0)
        ledger.workers.finish(ended.id, ended.attempt, "gpu0@a", epoch, [])
        running.append(ledger.workers.claim(out.pop(0), "gpu0@a", epoch))
        started.append(running[-1].id)
        out += ids(ledger.dispatch.release(workers))
    assert len(started) - 1 <= workers


def test_owners_take_turns(ledger):
    owner = {job_id: name for name in ("ada", "bob", "cyd") for job_id in accept(ledger, 5, owner=name)}
    turns = [owner[job_id] for job_id in ids(ledger.dispatch.release(9))]
    assert {len({*turns[n : n + 3]}) for n in (0, 3, 6)} == {3}


def test_a_high_priority_goes_first_but_does_not_starve_others(ledger):
    low = accept_one(ledger, owner="ada", priority="low")
    normal = accept_one(ledger, owner="ada")
    high = accept(ledger, 50, owner="bob", priority="high")
    mine = accept_one(ledger, owner="ada", priority="high")
    order = ids(ledger.dispatch.release(100))
    assert order.index(mine) < order.index(normal) < order.index(low)
    assert order.index(normal) < 5
    assert set(order) == {low, normal, mine, *high}


def test_what_is_released_and_not_claimed_goes_back_and_out_again_ever_more_slowly(ledger, clock):
    accept(ledger)
    for wait in (3, 6, 12):
        released = ids(ledger.dispatch.release(1))
        clock.now += wait - 0.5
        assert ledger.dispatch.unrelease_stale(QUEUE, 3.0) == []
        clock.now += 1
        assert ledger.dispatch.unrelease_stale(QUEUE, 3.0) == released


def test_a_claimed_job_is_not_taken_back(ledger, clock):
    job_id = accept_one(ledger)
    ledger.dispatch.release(1)
    ledger.workers.claim(job_id, "gpu0@a", register(ledger))
    clock.now += 60
    assert ledger.dispatch.unrelease_stale(QUEUE, 3.0) == []
    assert ledger.dispatch.unrelease([job_id]) == []


def test_a_job_meant_for_one_machine_moves_to_the_shared_queue_with_time(ledger, clock):
    meant, other = accept_one(ledger, preferred_queue="node.a"), accept_one(ledger)
    assert {(r.job_id, r.queue) for r in ledger.dispatch.release(5)} == {(meant, "node.a"), (other, QUEUE)}
    assert list(ledger.dispatch.machine_queues()) == ["node.a"]
    assert ledger.dispatch.to_shared("node.a", waited=4.0) == []
    clock.now += 5
    assert ledger.dispatch.to_shared("node.a", waited=4.0) == [meant]
    assert [(r.job_id, r.queue) for r in ledger.dispatch.release(5)] == [(meant, QUEUE)]
    assert ledger.dispatch.machine_queues() == []


def test_a_job_that_runs_does_not_move(ledger, clock):
    meant = accept_one(ledger, preferred_queue="node.a")
    ledger.dispatch.release(1)
    ledger.workers.claim(meant, "gpu0@a", register(ledger))
    assert ledger.dispatch.to_shared("node.a") == []


def test_jobs_of_a_version_nobody_runs_go_to_another(ledger):
    released, waiting = accept(ledger, 2)
    ledger.dispatch.release(1)
    assert set(ledger.dispatch.to_version(QUEUE, "sketch@2")) == {released, waiting}
    assert {(r.job_id, r.queue) for r in ledger.dispatch.release(5)} == {
        (released, "sketch@2"),
        (waiting, "sketch@2"),
    }
