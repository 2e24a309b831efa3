"""A database that is away for longer than a worker's lease: the jobs that run meanwhile lose nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tasks.jobs import JobState
from tests.servers import workers
from tests.servers.workers import System, eventually

LEASE = 2.0  # seconds, of the tests' workers
SONG = "a tone steps=200 pace=0.05"  # ten seconds and more


@pytest.fixture
def system(tmp_path, own_postgresql) -> Iterator[System]:
    with workers.running(tmp_path, ledger_url=own_postgresql.ledger_url()) as started:
        yield started


def history(system: System, job_id: str) -> list[tuple[str, int]]:
    return [(line.state, line.attempt) for line in system.ledger.views.history(job_id)]


@pytest.mark.parametrize("dispatcher", ["goes on", "is started again"])
def test_it_costs_no_attempt(system, own_postgresql, dispatcher):
    system.start_worker()
    job_id = system.submit(SONG)
    system.wait_for_stage(job_id)
    if dispatcher == "is started again":
        system.parts[0].process.kill()
    own_postgresql.kill()
    time.sleep(3 * LEASE)
    own_postgresql.start()
    if dispatcher == "is started again":
        system.start("dispatch")
    job = system.wait(job_id, limit=120)
    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)
    assert history(system, job_id) == [(JobState.RUNNING, 1), (JobState.SUCCEEDED, 1)]


def test_a_worker_that_died_meanwhile_is_missed_afterwards(system, own_postgresql):
    """The control: who waits for all to be heard does take the silent for dead."""
    worker = system.start_worker()
    job_id = system.submit(SONG)
    system.wait_for_stage(job_id)
    own_postgresql.kill()
    worker.process.kill()
    time.sleep(2 * LEASE)
    own_postgresql.start()
    eventually(lambda: (JobState.QUEUED, 1) in history(system, job_id))
