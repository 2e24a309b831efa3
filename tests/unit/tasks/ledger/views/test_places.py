"""Looking at many jobs at once says the same as asking for each."""

from __future__ import annotations

from tests.ledgers import accept, register, run


def test_a_look_is_the_job_and_its_snapshot_in_the_order_of_the_ids(ledger):
    done, running, *waiting = accept(ledger, 4, owner="ada")
    (other,) = accept(ledger, owner="bob")
    epoch = register(ledger, slots=2)
    assert run(ledger, done, epoch=epoch)
    ledger.workers.claim(running, "gpu0@a", epoch)
    unknown = "t_" + "0" * 26
    ids = [other, unknown, done, *waiting, running, other]
    looks = ledger.views.statuses(ids)
    assert looks[1] is None
    snapshots = ledger.views.snapshots(ids)
    for job_id, look in zip(ids, looks, strict=True):
        if job_id != unknown:
            assert (look.job, look.snapshot) == (ledger.views.get(job_id), snapshots[job_id])
    assert [look.snapshot.position for look in looks if look] == [2, None, 2, 3, None, 2]


def test_a_follower_stands_where_its_leader_stands(ledger):
    accept(ledger, 2, owner="ada")
    leader, follower = accept(ledger, 2, owner="ada", seed=7)
    looks = ledger.views.statuses([leader, follower])
    assert [look.snapshot.position for look in looks] == [3, 3]


def test_what_was_released_is_next_in_line(ledger):
    first, second = accept(ledger, 2, owner="ada")
    register(ledger)
    assert [one.job_id for one in ledger.dispatch.release(1)] == [first]
    assert ledger.views.statuses([first])[0].snapshot.position == 1
    assert ledger.views.statuses([second])[0].snapshot.position >= 1
