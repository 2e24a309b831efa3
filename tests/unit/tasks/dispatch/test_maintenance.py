"""What the dispatcher looks after in the ledger: dead workers, late jobs, queues without anybody."""

from __future__ import annotations

import pytest

from tasks.dispatch.fleet import ORPHANED_SECONDS
from tasks.dispatch.maintenance import AFFINITY_SECONDS, Maintenance
from tasks.jobs import ErrorClass, JobState
from tests.ledgers import QUEUE, accept, accept_one, register, run

NODE = "node.a"
LEASE = 10.0


@pytest.fixture
def maintenance(ledger, clock) -> Maintenance:
    return Maintenance(ledger, clock)


def turn(maintenance: Maintenance) -> list[str]:
    return maintenance.run(maintenance._ledger.views.workers())


def test_a_job_meant_for_one_machine_goes_to_all_after_some_seconds(ledger, clock, maintenance):
    job_id = accept_one(ledger, preferred_queue=NODE)
    register(ledger, queues=(NODE, QUEUE))
    clock.now += AFFINITY_SECONDS - 1
    assert turn(maintenance) == []
    assert ledger.views.get(job_id).queue == NODE
    clock.now += 1
    assert turn(maintenance) == []  # its machine lives: the queue is not to be emptied
    assert ledger.views.get(job_id).queue == QUEUE


def test_a_job_meant_for_a_machine_that_is_gone_goes_to_all_at_once(ledger, maintenance):
    job_id = accept_one(ledger, preferred_queue=NODE)
    assert turn(maintenance) == [NODE]
    assert ledger.views.get(job_id).queue == QUEUE
    assert turn(maintenance) == []


def test_jobs_of_a_version_nobody_runs_go_to_the_version_that_is_run(ledger, clock, maintenance):
    job_id = accept_one(ledger)
    epoch = register(ledger, "gpu0@b", queues=("sketch@2",), version="2")
    turn(maintenance)
    clock.now += ORPHANED_SECONDS - 1
    ledger.workers.renew("gpu0@b", epoch)
    epoch = register(ledger, "gpu0@b", queues=("sketch@2",), version="2")
    turn(maintenance)
    assert ledger.views.get(job_id).queue == QUEUE
    clock.now += 2
    turn(maintenance)
    assert ledger.views.get(job_id).queue == "sketch@2"
    assert ledger.workers.claim(job_id, "gpu0@b", epoch)


def test_jobs_of_a_dead_worker_are_free_again_and_that_is_told(ledger, clock, maintenance, told):
    job_id = accept_one(ledger)
    ledger.workers.claim(job_id, "gpu0@a", register(ledger))
    turn(maintenance)
    assert ledger.views.get(job_id).state is JobState.RUNNING
    clock.now += LEASE + 1
    turn(maintenance)
    assert ledger.views.get(job_id).state is JobState.QUEUED
    assert told(job_id) == ["job.requeued"]


def test_a_job_that_has_lost_its_last_worker_fails(ledger, clock, maintenance, told):
    job_id = accept_one(ledger)
    for _ in range(3):
        ledger.workers.claim(job_id, "gpu0@a", register(ledger))
        clock.now += LEASE + 1
        turn(maintenance)
    job = ledger.views.get(job_id)
    assert (job.state, job.error.error_class) == (JobState.FAILED, ErrorClass.WORKER_LOST)
    assert told(job_id) == ["job.requeued", "job.requeued", "job.failed"]


def test_a_job_that_could_not_start_in_time_fails(ledger, clock, maintenance, told):
    late, patient = accept_one(ledger, start_within=5.0), accept_one(ledger)
    clock.now += 6
    turn(maintenance)
    assert ledger.views.get(late).error.error_class is ErrorClass.DEADLINE
    assert ledger.views.get(patient).state is JobState.QUEUED
    assert told(late) == ["job.failed"]


def test_every_end_that_no_worker_tells_of_is_told_once_with_its_trace(ledger, maintenance, told, lines):
    trace = "0af7651916cd43dd8448eb211c80319c"
    traced = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    leader, follower = accept(ledger, 2, seed=7, **traced)
    cancelled = accept_one(ledger, **traced)
    ledger.submissions.cancel(cancelled)
    assert run(ledger, leader, epoch=register(ledger))
    turn(maintenance)
    turn(maintenance)
    assert (told(leader), told(follower), told(cancelled)) == ([], ["job.succeeded"], ["job.cancelled"])
    assert {line["trace"]["id"] for line in lines(follower) + lines(cancelled)} == {trace}
    assert lines(follower)[0]["tutti"]["cache"]["hit"]


def test_the_followers_of_a_failed_run_fail_and_are_told_of(ledger, maintenance, told):
    leader, follower = accept(ledger, 2, seed=7)
    job = ledger.workers.claim(leader, "gpu0@a", epoch := register(ledger))
    assert ledger.workers.fail(leader, job.attempt, "gpu0@a", epoch, ErrorClass.INTERNAL, "broken")
    turn(maintenance)
    assert (told(leader), told(follower)) == ([], ["job.failed"])


def test_a_cancelled_job_whose_worker_died_is_told_of_as_cancelled(ledger, clock, maintenance, told):
    job_id = accept_one(ledger)
    ledger.workers.claim(job_id, "gpu0@a", register(ledger))
    ledger.submissions.cancel(job_id)
    clock.now += LEASE + 1
    turn(maintenance)
    assert told(job_id) == ["job.cancelled"]
