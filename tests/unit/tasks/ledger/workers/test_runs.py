"""A job's moves: each is made once, by whom it belongs to."""

from __future__ import annotations

import pytest

from tasks.jobs import ErrorClass, JobState
from tasks.ledger import UnknownJob, Vitals
from tests.ledgers import QUEUE, accept, accept_one, register, run, song


def test_a_job_goes_from_queued_by_running_to_succeeded_and_leaves_its_history(ledger):
    job_id = accept_one(ledger, owner="ada", traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    epoch = register(ledger)
    job = ledger.workers.claim(job_id, "gpu0@a", epoch)
    assert (job.state, job.attempt, job.owner, job.trace_id) == (JobState.RUNNING, 1, "ada", "1" * 32)
    assert ledger.workers.finish(job_id, 1, "gpu0@a", epoch, [song(job_id)], details={"batch": 4})
    ended = ledger.views.get(job_id)
    assert (ended.state, ended.progress, ended.outputs) == (JobState.SUCCEEDED, 1.0, [song(job_id)])
    assert ended.extra["batch"] == 4
    assert [(line.state, line.attempt, line.epoch) for line in ledger.views.history(job_id)] == [
        (JobState.RUNNING, 1, epoch),
        (JobState.SUCCEEDED, 1, epoch),
    ]


def test_only_one_worker_can_claim_a_job(ledger, open_ledger):
    job_id = accept_one(ledger)
    other = open_ledger()
    first, second = register(ledger, "gpu0@a"), register(other, "gpu1@a")
    assert ledger.workers.claim(job_id, "gpu0@a", first)
    assert other.workers.claim(job_id, "gpu1@a", second) is None


@pytest.mark.parametrize("wrong", [{"attempt": 2}, {"worker": "gpu9@a"}, {"epoch": 7}])
def test_a_run_that_is_not_its_own_can_neither_finish_nor_fail_nor_hand_back(ledger, wrong):
    job_id = accept_one(ledger)
    mine = {"job_id": job_id, "attempt": 1, "worker": "gpu0@a", "epoch": register(ledger)}
    ledger.workers.claim(job_id, "gpu0@a", mine["epoch"])
    theirs = mine | wrong
    assert not ledger.workers.finish(**theirs, outputs=[song(job_id)])
    assert not ledger.workers.fail(**theirs, error_class=ErrorClass.INTERNAL, detail="no")
    assert not ledger.workers.hand_back(**theirs, reason="no", charged=True)
    assert ledger.views.get(job_id).state is JobState.RUNNING


def test_asking_again_whether_a_run_ended_gives_the_same_answer(ledger):
    job_id = accept_one(ledger)
    epoch = register(ledger)
    ledger.workers.claim(job_id, "gpu0@a", epoch)
    assert ledger.workers.finish(job_id, 1, "gpu0@a", epoch, [song(job_id)])
    assert ledger.workers.finish(job_id, 1, "gpu0@a", epoch, [song(job_id)])
    assert not ledger.workers.fail(job_id, 1, "gpu0@a", epoch, ErrorClass.INTERNAL, "no")
    assert ledger.views.counters()["succeeded"] == 1


def test_a_job_handed_back_uncharged_may_run_any_number_of_times(ledger):
    job_id = accept_one(ledger)
    epoch = register(ledger)
    for attempt in range(1, 8):
        assert ledger.workers.claim(job_id, "gpu0@a", epoch).attempt == attempt
        assert ledger.workers.hand_back(job_id, attempt, "gpu0@a", epoch, "drained", charged=False)
    assert run(ledger, job_id, epoch=epoch)


def test_a_job_fails_with_the_reason_of_its_last_lost_attempt(ledger):
    job_id = accept_one(ledger)
    epoch = register(ledger)
    for attempt in (1, 2, 3):
        assert ledger.workers.claim(job_id, "gpu0@a", epoch)
        assert ledger.workers.hand_back(
            job_id, attempt, "gpu0@a", epoch, "engine_crash", charged=True, alone=True
        )
    job = ledger.views.get(job_id)
    assert (job.state, job.error.error_class) == (JobState.FAILED, ErrorClass.ENGINE_CRASH)


def test_a_suspect_runs_alone_from_then_on(ledger):
    job_id = accept_one(ledger)
    epoch = register(ledger)
    ledger.workers.claim(job_id, "gpu0@a", epoch)
    ledger.workers.hand_back(job_id, 1, "gpu0@a", epoch, "engine_crash", charged=False, alone=True)
    assert ledger.workers.claim(job_id, "gpu0@a", epoch).extra["alone"]
    ledger.workers.hand_back(job_id, 2, "gpu0@a", epoch, "drained", charged=False)
    assert ledger.workers.claim(job_id, "gpu0@a", epoch).extra["alone"]


def test_a_queued_job_is_cancelled_at_once_and_never_claimed(ledger):
    job_id = accept_one(ledger)
    assert ledger.submissions.cancel(job_id).state is JobState.CANCELLED
    assert ledger.workers.claim(job_id, "gpu0@a", register(ledger)) is None
    assert ledger.dispatch.release(10) == []


def test_a_running_job_is_cancelled_through_its_worker(ledger):
    job_id = accept_one(ledger)
    epoch = register(ledger)
    ledger.workers.claim(job_id, "gpu0@a", epoch)
    assert ledger.submissions.cancel(job_id).state is JobState.RUNNING
    assert ledger.workers.renew("gpu0@a", epoch).cancelled == {job_id}
    assert ledger.workers.fail(job_id, 1, "gpu0@a", epoch, ErrorClass.CANCELLED_BY_USER, "cancelled")
    assert ledger.views.get(job_id).state is JobState.CANCELLED


def test_a_job_that_is_cancelled_and_then_handed_back_does_not_run_again(ledger):
    job_id = accept_one(ledger)
    epoch = register(ledger)
    ledger.workers.claim(job_id, "gpu0@a", epoch)
    ledger.submissions.cancel(job_id)
    ledger.workers.hand_back(job_id, 1, "gpu0@a", epoch, "drained", charged=False)
    assert ledger.views.get(job_id).state is JobState.CANCELLED


def test_cancelling_what_has_ended_changes_nothing_and_an_unknown_id_is_refused(ledger):
    job_id = accept_one(ledger)
    run(ledger, job_id, epoch=register(ledger))
    assert ledger.submissions.cancel(job_id).state is JobState.SUCCEEDED
    with pytest.raises(UnknownJob):
        ledger.submissions.cancel("t_" + "0" * 26)


def test_a_late_job_fails_with_deadline_and_cannot_be_claimed_before_that(ledger, clock):
    job_id = accept_one(ledger, start_within=5.0)
    epoch = register(ledger)
    assert ledger.dispatch.expire_deadlines() == []
    clock.now += 6
    assert ledger.workers.claim(job_id, "gpu0@a", epoch) is None
    assert ledger.dispatch.expire_deadlines() == [job_id]
    assert ledger.views.get(job_id).error.error_class is ErrorClass.DEADLINE


def test_counters_hold_what_counting_would_find(ledger):
    epoch = register(ledger)
    done, failed, cancelled, running, queued = accept(ledger, 5)
    run(ledger, done, epoch=epoch)
    ledger.workers.claim(failed, "gpu0@a", epoch)
    ledger.workers.fail(failed, 1, "gpu0@a", epoch, ErrorClass.OUT_OF_MEMORY, "no room")
    ledger.submissions.cancel(cancelled)
    ledger.workers.claim(running, "gpu0@a", epoch)
    counted = {state: len(ledger.views.page(state=state).jobs) for state in JobState}
    counters = ledger.views.counters()
    assert {state: counters[state] for state in JobState} == counted == dict.fromkeys(JobState, 1)
    assert (counters["accepted"], counters["failed.out_of_memory"]) == (5, 1)
    assert ledger.views.get(queued).state is JobState.QUEUED


def test_pages_go_from_the_newest_to_the_oldest_without_gap_or_repeat(ledger):
    ids = accept(ledger, 7, owner="ada")
    accept(ledger, 2, owner="bob")
    seen, cursor = [], None
    while True:
        page = ledger.views.page(owner="ada", cursor=cursor, limit=3)
        seen += [job.id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(ids, reverse=True)
    assert len(ledger.views.page(state=JobState.QUEUED, limit=100).jobs) == 9


def test_watching_tells_state_progress_and_place_in_line(ledger, clock):
    first, second, third = accept(ledger, 3, owner="ada")
    (other,) = accept(ledger, owner="bob")
    epoch = register(ledger)
    ledger.workers.claim(first, "gpu0@a", epoch)
    ledger.workers.renew("gpu0@a", epoch, {first: (0.25, "playing the score")}, Vitals(gpu_busy=0.5))
    seen = ledger.views.snapshots([first, second, third, other, "t_" + "0" * 26])
    assert (seen[first].state, seen[first].progress, seen[first].stage) == (
        "running",
        0.25,
        "playing the score",
    )
    assert {seen[second].position, seen[other].position} == {2}  # each may be overtaken by the other
    assert seen[third].position == 3
    assert len(seen) == 4
    clock.now += 30
    ledger.workers.finish(first, 1, "gpu0@a", epoch, [song(first)])
    assert ledger.views.snapshots([third])[third].eta_seconds == pytest.approx(30 * 3)


def test_queues_tell_what_waits_what_is_out_and_how_old_the_oldest_is(ledger, clock):
    accept(ledger, 5)
    released = ledger.dispatch.release(3)
    ledger.workers.claim(released[0].job_id, "gpu0@a", register(ledger))
    clock.now += 12
    (view,) = ledger.views.queues()
    assert (view.name, view.waiting, view.released, view.running) == (QUEUE, 2, 2, 1)
    assert view.oldest_seconds == pytest.approx(12)
