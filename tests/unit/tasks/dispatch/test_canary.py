"""The canary: who goes there, and when it stops by itself."""

from __future__ import annotations

import random

import pytest

from tasks.dispatch.canary import judge, judge_once
from tasks.jobs import ErrorClass, JobRequest, Output, new_job_id
from tasks.ledger import Canary, Ledger, NewJob, Sample, WorkerInfo
from tasks.ledger.canaries import Canaries
from web.request.lane import lane_of

V2 = Canary(version="v2", percent=10, since=0)


@pytest.mark.parametrize(
    ("header", "cookie", "place", "lane"),
    [
        ("", "", 9.9, "canary"),
        ("", "", 10.0, "stable"),
        ("canary", "stable", 50, "canary"),
        ("stable", "canary", 5, "stable"),
        ("", "canary", 50, "canary"),
        ("", "stable", 5, "stable"),
        ("nonsense", "", 50, "stable"),
    ],
)
def test_header_then_cookie_then_share(header: str, cookie: str, place: float, lane: str) -> None:
    assert lane_of(V2, header, cookie, lambda: place) == lane


@pytest.mark.parametrize(
    "canary",
    [None, Canary(version="v2", percent=0, since=0), Canary(version="v2", percent=50, since=0, stopped_at=1)],
)
def test_without_an_active_canary_all_is_stable(canary: Canary | None) -> None:
    assert lane_of(canary, "canary", "canary", lambda: 0.0) == "stable"


def paces(median: float, count: int, seed: int = 1) -> list[float]:
    dice = random.Random(seed)
    return [median * dice.lognormvariate(0, 0.2) for _ in range(count)]


@pytest.mark.parametrize(
    ("stable", "canary", "words"),
    [
        (Sample(jobs=200, failed=2), Sample(jobs=20, failed=8), "8 of 20 jobs failed, 2 of 200"),
        (
            Sample(jobs=200, failed=0, times=paces(0.1, 200)),
            Sample(jobs=20, times=paces(0.2, 20)),
            "compute a second",
        ),
        (Sample(jobs=200, failed=2), Sample(jobs=20, failed=1), None),
        (Sample(jobs=200, failed=100), Sample(jobs=20, failed=11), None),
        (Sample(jobs=3, failed=0), Sample(jobs=3, failed=3), None),
        (Sample(jobs=50, times=paces(0.1, 50)), Sample(jobs=50, times=paces(0.11, 50, seed=2)), None),
        (Sample(jobs=50, times=paces(0.1, 50)), Sample(jobs=50, times=paces(0.05, 50, seed=2)), None),
        (Sample(), Sample(), None),
    ],
)
def test_the_canary_stops_only_for_what_is_far_beyond_chance(
    stable: Sample, canary: Sample, words: str | None
) -> None:
    reason = judge(stable, canary)
    assert (reason is None) == (words is None), reason
    assert words is None or words in str(reason)


def test_two_equal_lanes_hardly_ever_stop_it() -> None:
    stops = 0
    for seed in range(200):
        dice = random.Random(seed)
        failed = [sum(dice.random() < 0.05 for _ in range(count)) for count in (400, 40)]
        stable = Sample(jobs=400, failed=failed[0], times=paces(0.1, 400, 2 * seed))
        canary = Sample(jobs=40, failed=failed[1], times=paces(0.1, 40, 2 * seed + 1))
        stops += judge(stable, canary) is not None
    assert stops <= 2


@pytest.fixture
def ledger(ledger_url: str):
    """A ledger with the true time, on SQLite and on PostgreSQL."""
    with Ledger(ledger_url) as opened_ledger:
        yield opened_ledger


@pytest.fixture
def lanes(ledger: Ledger) -> Canaries:
    return ledger.canaries


def run(ledger: Ledger, lane: str, error: ErrorClass | None = None) -> None:
    job_id = new_job_id("a")
    request = JobRequest(prompt="a calm song", duration=10)
    ledger.submissions.accept(NewJob(id=job_id, request=request, model_queue="sketch@1", lane=lane)).result()
    ledger.dispatch.release(100)
    info = WorkerInfo(id="w", node="n", queues=("sketch@1",), engine="sketch", model_version="1")
    epoch = ledger.workers.register(info)
    job = ledger.workers.claim(job_id, "w", epoch)
    assert job is not None
    if error:
        assert ledger.workers.fail(job_id, job.attempt, "w", epoch, error, "because")
    else:
        song = Output(name=f"{job_id}.wav", format="wav", seconds=10, bytes=1, sha256="0" * 64)
        assert ledger.workers.finish(job_id, job.attempt, "w", epoch, [song])


def test_a_canary_that_fails_is_stopped_by_its_jobs_in_the_ledger(ledger: Ledger, lanes: Canaries) -> None:
    assert judge_once(lanes) is None
    run(ledger, "canary", ErrorClass.ENGINE_CRASH)
    lanes.set("v2", 10)
    for _ in range(10):
        run(ledger, "stable")
        run(ledger, "canary", ErrorClass.INVALID_REQUEST)
    assert lanes.sample("stable", 0).jobs == 10
    assert len(lanes.sample("stable", 0).times) == 10
    assert lanes.sample("canary", lanes.get().since) == Sample()
    assert judge_once(lanes) is None
    for _ in range(8):
        run(ledger, "canary", ErrorClass.ENGINE_CRASH)
    reason = judge_once(lanes)
    assert reason == "8 of 8 jobs failed, 0 of 10 in the stable lane"
    stopped = lanes.get()
    assert (stopped.active, stopped.reason) == (False, reason)
    assert judge_once(lanes) is None


def test_another_share_keeps_what_was_seen_and_another_version_begins_anew(lanes: Canaries) -> None:
    first = lanes.set("v2", 10)
    assert lanes.set("v2", 50).since == first.since
    assert lanes.get().percent == 50
    assert lanes.set("v3", 50).since > first.since
    lanes.stop("by hand")
    assert lanes.set("v3", 5).active
