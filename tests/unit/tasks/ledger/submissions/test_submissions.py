"""One key, one job; one fingerprint, one run."""

from __future__ import annotations

from concurrent.futures import wait

import pytest

from tasks.jobs import ErrorClass, JobState
from tasks.ledger import IdempotencyConflict, LedgerFull, Quota, QuotaExceeded
from tests.ledgers import accept, accept_one, new_job, register, run, song


def test_two_hundred_submits_with_one_key_make_one_job(ledger, open_ledger):
    other = open_ledger()  # as a second web process
    keyed = {"idempotency_key": "k", "body_hash": "b", "owner": "ada"}
    answers = [(ledger, other)[n % 2].submissions.accept(new_job(**keyed)) for n in range(200)]
    wait(answers)
    assert len({answer.result().job.id for answer in answers}) == 1
    assert sum(answer.result().created for answer in answers) == 1
    assert ledger.views.counters()["accepted"] == 1


def test_a_key_belongs_to_its_owner_and_to_its_body(ledger):
    first = ledger.submissions.accept(new_job(idempotency_key="k", body_hash="b", owner="ada")).result()
    theirs = ledger.submissions.accept(new_job(idempotency_key="k", body_hash="other", owner="bob")).result()
    assert first.job.id != theirs.job.id
    with pytest.raises(IdempotencyConflict):
        ledger.submissions.accept(new_job(idempotency_key="k", body_hash="other", owner="ada")).result()


def test_a_key_of_a_refused_job_can_be_used_again(open_ledger):
    ledger = open_ledger(max_queued=1)
    (first,) = accept(ledger)
    keyed = {"idempotency_key": "k", "body_hash": "b"}
    with pytest.raises(LedgerFull):
        ledger.submissions.accept(new_job(**keyed)).result()
    ledger.submissions.cancel(first)
    assert ledger.submissions.accept(new_job(**keyed)).result().created


def test_without_a_seed_one_is_chosen_and_requests_are_never_equal(ledger):
    first, second = (ledger.views.get(job_id) for job_id in accept(ledger, 2))
    assert first.request.seed is not None
    assert first.request.seed != second.request.seed
    assert first.fingerprint is second.fingerprint is None


def test_equal_requests_in_flight_make_one_run_and_share_its_audio(ledger):
    leader, *followers = accept(ledger, 4, seed=7)
    assert [release.job_id for release in ledger.dispatch.release(10)] == [leader]
    epoch = register(ledger)
    assert ledger.workers.claim(followers[0], "gpu0@a", epoch) is None
    assert run(ledger, leader, epoch=epoch)
    for job_id in followers:
        job = ledger.views.get(job_id)
        assert (job.state, job.cache_hit, job.outputs) == (JobState.SUCCEEDED, True, [song(leader)])
    counters = ledger.views.counters()
    assert (counters["joined"], counters["succeeded"], counters["queued"]) == (3, 4, 0)


def test_a_finished_song_is_given_at_once_to_who_asks_for_the_same(ledger):
    first = accept_one(ledger, seed=7)
    run(ledger, first, epoch=register(ledger))
    again = ledger.submissions.accept(new_job(seed=7, priority="high")).result()
    assert (again.job.state, again.job.cache_hit, again.job.outputs) == (
        JobState.SUCCEEDED,
        True,
        [song(first)],
    )
    assert ledger.views.find_finished(again.job.fingerprint).id == first
    assert ledger.views.counters()["reused"] == 1


@pytest.mark.parametrize("other", [{"seed": 8}, {"bpm": 90}, {"format": "mp3"}, {"model_queue": "sketch@2"}])
def test_what_changes_the_audio_changes_the_fingerprint(ledger, other):
    accept(ledger, seed=7)
    job_id = accept_one(ledger, **{"seed": 7} | other)
    assert {release.job_id for release in ledger.dispatch.release(10)} >= {job_id}


def test_followers_of_a_job_that_failed_fail_with_it_and_the_next_one_runs(ledger):
    leader, follower = accept(ledger, 2, seed=7)
    epoch = register(ledger)
    ledger.workers.claim(leader, "gpu0@a", epoch)
    ledger.workers.fail(leader, 1, "gpu0@a", epoch, ErrorClass.INTERNAL, "broken")
    assert ledger.views.get(follower).error.error_class is ErrorClass.INTERNAL
    assert run(ledger, accept_one(ledger, seed=7), epoch=epoch)


def test_when_the_leader_is_cancelled_the_oldest_follower_takes_its_place(ledger):
    leader, heir, last = accept(ledger, 3, seed=7)
    ledger.submissions.cancel(leader)
    assert [release.job_id for release in ledger.dispatch.release(10)] == [heir]
    assert run(ledger, heir, epoch=register(ledger))
    assert ledger.views.get(last).outputs == [song(heir)]
    assert ledger.views.get(leader).state is JobState.CANCELLED


def test_a_cancelled_follower_leaves_the_others_alone(ledger):
    leader, follower, last = accept(ledger, 3, seed=7)
    ledger.submissions.cancel(follower)
    assert run(ledger, leader, epoch=register(ledger))
    assert [ledger.views.get(job_id).state for job_id in (follower, last)] == ["cancelled", "succeeded"]


def test_a_leader_that_lost_its_worker_keeps_its_followers(ledger, clock):
    leader, follower = accept(ledger, 2, seed=7)
    ledger.workers.claim(leader, "gpu0@a", register(ledger))
    clock.now += 11
    ledger.dispatch.expire_workers()
    assert run(ledger, leader, epoch=register(ledger))
    assert ledger.views.get(follower).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    "quota",
    [Quota(concurrent=2), Quota(jobs_a_day=2), Quota(seconds_a_day=120)],
    ids=str,
)
def test_a_quota_refuses_what_goes_beyond_it_and_only_its_owner(ledger, quota):
    answers = [ledger.submissions.accept(new_job(owner="ada", quota=quota, duration=60)) for _ in range(5)]
    wait(answers)
    refused = [answer.exception() for answer in answers if answer.exception()]
    assert [type(error) for error in refused] == [QuotaExceeded] * 3
    assert ledger.submissions.accept(new_job(owner="bob", quota=quota)).result().created


def test_concurrent_jobs_that_ended_make_room_and_a_day_ends(ledger, clock):
    epoch = register(ledger)
    quota = Quota(concurrent=1, jobs_a_day=2)
    for _ in range(2):
        run(ledger, accept_one(ledger, owner="ada", quota=quota), epoch=epoch)
    with pytest.raises(QuotaExceeded):
        accept(ledger, owner="ada", quota=quota)
    clock.now += 86_400
    assert accept(ledger, owner="ada", quota=quota)
