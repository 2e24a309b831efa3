"""What the dispatcher tells of the whole service, from ledgers with known hours."""

from __future__ import annotations

import orjson
import pytest

from observability.logging import configure
from tasks.dispatch import service_report as standing
from tasks.jobs import ErrorClass
from tasks.ledger.views import recent
from tests.ledgers import accept_one, new_job, register, song


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(standing, "EVERY_SECONDS", 0.0)
    path = tmp_path / "dispatch.jsonl"
    configure("tutti-dispatch", path)
    yield path
    configure("tutti-test", None, level="error")


def told(path, action):
    lines = map(orjson.loads, path.read_bytes().splitlines()) if path.exists() else ()
    return [line["tutti"] for line in lines if line["event"]["action"] == action]


def end(ledger, clock, worker, *, seconds=2.0, error=None, **values):
    job_id = ledger.submissions.accept(new_job(duration=60, **values)).result(30).job.id
    job = ledger.workers.claim(job_id, worker, 1)
    clock.now += seconds
    assert ledger.workers.renew(worker, 1).alive
    if error:
        assert ledger.workers.fail(job_id, job.attempt, worker, 1, error, "so")
    else:
        assert ledger.workers.finish(job_id, job.attempt, worker, 1, [song(job_id)])


def test_the_hours_share_leaves_out_peoples_own_failures_and_older_jobs(ledger, clock, path):
    register(ledger)
    end(ledger, clock, "gpu0@a", error=ErrorClass.INTERNAL)
    clock.now += 4000
    register(ledger, "gpu1@a")
    for _ in range(6):
        end(ledger, clock, "gpu1@a")
    end(ledger, clock, "gpu1@a", error=ErrorClass.INVALID_REQUEST)
    for error in (ErrorClass.ENGINE_CRASH, ErrorClass.STORAGE_FULL):
        end(ledger, clock, "gpu1@a", error=error)
    waiting = accept_one(ledger)
    clock.now += 400
    report = standing.ServiceReport()
    report.log_due(ledger)

    (line,) = told(path, "service.state")
    assert line["service"]["hour"] == {"ended": 8, "failed": 2, "failed_share": 0.25}
    assert line["service"]["recent"] == {"ended": 0, "failed": 0, "failed_share": 0.0}
    assert line["service"]["open"] == {"jobs": 1, "oldest_seconds": 400.0}
    ledger.submissions.cancel(waiting)
    report.log_due(ledger)
    assert told(path, "service.state")[-1]["service"]["open"] == {"jobs": 0, "oldest_seconds": 0.0}


def test_a_share_stays_a_share_where_only_the_latest_jobs_are_looked_at(ledger, clock, monkeypatch):
    monkeypatch.setattr(recent, "MOST", 10)
    register(ledger)
    for number in range(40):
        end(ledger, clock, "gpu0@a", error=ErrorClass.INTERNAL if number % 4 == 0 else None)

    assert standing.failed_share(ledger.views.ended(3600))["failed_share"] == pytest.approx(0.25, abs=0.1)


def test_a_slow_gpu_is_told_as_a_multiple_of_the_fleets_median(ledger, clock, path):
    for worker, seconds in (("gpu0@a", 2.0), ("gpu1@a", 2.0), ("gpu0@b", 5.0)):
        register(ledger, worker)
        for _ in range(standing.LEAST_JOBS):
            end(ledger, clock, worker, seconds=seconds)
    register(ledger, "gpu1@b")
    end(ledger, clock, "gpu1@b", seconds=9.0)
    standing.ServiceReport().log_due(ledger)

    pace = {line["gpu"]["id"]: line["gpu"]["pace"]["times_median"] for line in told(path, "gpu.state")}
    assert pace == pytest.approx({"gpu0@a": 1.0, "gpu1@a": 1.0, "gpu0@b": 2.5})


def test_the_canary_is_told_beside_the_stable_lane(ledger, clock, path):
    register(ledger)
    standing.ServiceReport().log_due(ledger)
    assert told(path, "canary.state") == []
    for lane, failed in (("stable", 1), ("canary", 2)):
        for number in range(4):
            end(
                ledger,
                clock,
                "gpu0@a",
                lane=lane,
                error=ErrorClass.OUT_OF_MEMORY if number < failed else None,
            )
    standing.ServiceReport().log_due(ledger)

    (line,) = told(path, "canary.state")
    assert line["canary"]["failed_more"] == 0.25
    assert line["canary"]["stable"]["failed"] == 1


def test_only_a_worker_that_did_not_say_goodbye_is_silent_until_it_is_back_or_an_hour_is_over(
    ledger, clock, path
):
    report = standing.ServiceReport()

    def look():
        report.note(ledger.views.workers())
        ledger.dispatch.expire_workers()
        report.log_due(ledger)
        return {
            line["worker"]["id"]: line["worker"]["silent_seconds"] for line in told(path, "worker.silent")
        }

    left, _lost, _back = (register(ledger, name) for name in ("gpu0@a", "gpu1@a", "gpu2@a"))
    assert look() == {}
    ledger.workers.retire("gpu0@a", left)
    clock.now += 11
    assert look().keys() == {"gpu1@a", "gpu2@a"}
    register(ledger, "gpu2@a")
    path.write_bytes(b"")
    clock.now += 5
    assert look() == {"gpu1@a": 16.0}
    clock.now += 3600
    path.write_bytes(b"")
    assert "gpu1@a" not in look(), "a machine that was taken away is not mourned for ever"
