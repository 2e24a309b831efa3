"""Leases: what a worker's silence does, and what it cannot do after it."""

from __future__ import annotations

from tasks.jobs import ErrorClass, JobState
from tasks.ledger import Vitals
from tests.ledgers import QUEUE, accept, accept_one, register, run, song


def test_jobs_of_a_silent_worker_are_free_after_its_lease_and_it_can_change_them_no_more(ledger, clock):
    job_id = accept_one(ledger)
    old = register(ledger, "gpu0@a")
    ledger.workers.claim(job_id, "gpu0@a", old)
    clock.now += 9
    assert ledger.dispatch.expire_workers() == []
    clock.now += 2
    (freed,) = ledger.dispatch.expire_workers()
    assert (freed.job_id, freed.worker, freed.ended) == (job_id, "gpu0@a", False)
    assert not ledger.workers.renew("gpu0@a", old).alive
    other = register(ledger, "gpu1@a")
    assert ledger.workers.claim(job_id, "gpu1@a", other).attempt == 2
    assert not ledger.workers.finish(job_id, 1, "gpu0@a", old, [song("stale")])
    assert ledger.workers.finish(job_id, 2, "gpu1@a", other, [song(job_id)])
    assert ledger.views.get(job_id).outputs == [song(job_id)]


def test_a_worker_whose_lease_ran_out_claims_nothing_until_it_registers_again(ledger, clock):
    job_id = accept_one(ledger)
    old = register(ledger)
    clock.now += 11
    assert ledger.workers.claim(job_id, "gpu0@a", old) is None
    assert not ledger.workers.renew("gpu0@a", old).alive
    assert ledger.workers.claim(job_id, "gpu0@a", register(ledger))


def test_renewing_keeps_the_lease(ledger, clock):
    job_id = accept_one(ledger)
    epoch = register(ledger)
    ledger.workers.claim(job_id, "gpu0@a", epoch)
    for _ in range(5):
        clock.now += 6
        assert ledger.workers.renew("gpu0@a", epoch, {job_id: (0.5, None)}).alive
        assert ledger.dispatch.expire_workers() == []


def test_a_job_that_loses_worker_after_worker_fails_with_worker_lost(ledger, clock):
    job_id = accept_one(ledger)
    for number in range(3):
        ledger.workers.claim(job_id, f"gpu{number}@a", register(ledger, f"gpu{number}@a"))
        clock.now += 11
        (freed,) = ledger.dispatch.expire_workers()
        assert freed.ended == (number == 2)
    assert ledger.views.get(job_id).error.error_class is ErrorClass.WORKER_LOST


def test_a_worker_that_starts_again_gives_back_what_it_ran_before(ledger):
    job_id = accept_one(ledger)
    ledger.workers.claim(job_id, "gpu0@a", register(ledger))
    epoch = register(ledger)
    assert ledger.views.get(job_id).state is JobState.QUEUED
    assert run(ledger, job_id, epoch=epoch)


def test_a_worker_that_retires_gives_back_without_a_charge(ledger):
    job_id = accept_one(ledger)
    for _ in range(5):
        epoch = register(ledger)
        assert ledger.workers.claim(job_id, "gpu0@a", epoch)
        ledger.workers.retire("gpu0@a", epoch)
    assert ledger.views.get(job_id).state is JobState.QUEUED
    assert not ledger.views.workers()[0].alive


def test_what_a_worker_claimed_and_does_not_know_of_is_freed(ledger, clock):
    known, unknown = accept(ledger, 2)
    epoch = register(ledger, slots=2)
    for job_id in (known, unknown):
        ledger.workers.claim(job_id, "gpu0@a", epoch)
    ledger.workers.renew("gpu0@a", epoch, {known: (0.1, None)})
    assert ledger.views.get(unknown).state is JobState.RUNNING  # its claim may be on its way still
    for _ in range(2):
        clock.now += 6
        ledger.workers.renew("gpu0@a", epoch, {known: (0.1, None)})
    assert [ledger.views.get(job_id).state for job_id in (known, unknown)] == ["running", "queued"]


def test_the_fleet_is_seen_with_its_vitals(ledger, clock):
    epoch = register(ledger, slots=4, queues=("gpu.a.0", "sketch@1"))
    ledger.workers.claim(accept_one(ledger), "gpu0@a", epoch)
    ledger.workers.renew(
        "gpu0@a", epoch, vitals=Vitals(model_loaded=True, gpu_memory_used=2**34, temperature=61.5)
    )
    (view,) = ledger.views.workers()
    assert (view.alive, view.running, view.slots, view.queues) == (True, 1, 4, ("gpu.a.0", "sketch@1"))
    assert (view.model_loaded, view.gpu_memory_used, view.temperature) == (True, 2**34, 61.5)
    clock.now += 11
    assert not ledger.views.workers()[0].alive
    clock.now += 86_400
    ledger.dispatch.expire_workers()
    clock.now += 1
    ledger.dispatch.expire_workers()
    assert ledger.views.workers() == []


def test_one_dispatcher_leads_until_it_leaves_or_falls_silent(ledger, open_ledger, clock):
    standby = open_ledger()
    assert ledger.dispatch.lead("dispatcher", 5.0)
    assert not standby.dispatch.lead("dispatcher", 5.0)
    clock.now += 4
    assert ledger.dispatch.lead("dispatcher", 5.0)
    clock.now += 4
    assert not standby.dispatch.lead("dispatcher", 5.0)
    clock.now += 2
    assert standby.dispatch.lead("dispatcher", 5.0)
    assert not ledger.dispatch.lead("dispatcher", 5.0)
    standby.dispatch.leave("dispatcher")
    assert ledger.dispatch.lead("dispatcher", 5.0)


def test_web_nodes_come_beat_and_leave(ledger):
    ledger.web_nodes.register("web1", "unix:/run/web1.sock")
    ledger.web_nodes.beat("web1", False, "storage away")
    (node,) = ledger.web_nodes.all()
    assert (node.address, node.healthy, node.reason) == ("unix:/run/web1.sock", False, "storage away")
    ledger.web_nodes.forget("web1")
    assert ledger.web_nodes.all() == []


def test_a_worker_that_left_is_told_from_one_that_was_lost(ledger, clock):
    left, _ = register(ledger, "gpu0@a"), register(ledger, "gpu1@a")
    ledger.workers.retire("gpu0@a", left)
    clock.now += 11
    assert [(view.overdue, view.retired) for view in ledger.views.workers()] == [(False, True), (True, False)]
    ledger.dispatch.expire_workers()
    assert [(view.overdue, view.retired) for view in ledger.views.workers()] == [
        (False, True),
        (False, False),
    ]
    register(ledger, "gpu0@a")
    assert ledger.views.workers()[0].queues == (QUEUE,)
