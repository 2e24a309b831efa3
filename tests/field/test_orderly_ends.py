"""An end that was asked for costs a job nothing: a worker is told to end, and killed before it has ended."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tasks.jobs import JobState
from tests.servers import workers
from tests.servers.workers import System, eventually


def told_and_killed(system: System, worker: workers.Part) -> None:
    """SIGTERM, and SIGKILL while it waits for its song, as container engines and systemd do it."""
    worker.send(signal.SIGTERM)
    eventually(lambda: not any(view.queues for view in system.ledger.views.workers() if view.alive))
    worker.end(signal.SIGKILL)


@pytest.mark.parametrize("at_once", [True, False], ids=["restarted at once", "restarted after the lease"])
def test_two_orderly_restarts_leave_every_attempt(tmp_path: Path, at_once: bool) -> None:
    with workers.running(tmp_path / "cell", max_attempts=1, drain_seconds=60) as system:
        job_id = system.submit(f"until={tmp_path / 'go'}")
        for _ in range(2):
            worker = system.start_worker()
            system.wait_for_stage(job_id)
            told_and_killed(system, worker)
            if not at_once:
                system.wait(job_id, JobState.QUEUED, limit=60)
        (tmp_path / "go").touch()
        system.start_worker()
        assert system.wait(job_id).state == JobState.SUCCEEDED


def test_a_worker_that_nobody_told_is_a_loss(tmp_path: Path) -> None:
    """The control: the same kill without the word before it costs the only attempt."""
    with workers.running(tmp_path / "cell", max_attempts=1) as system:
        worker = system.start_worker()
        job_id = system.submit(f"until={tmp_path / 'go'}")
        system.wait_for_stage(job_id)
        worker.end(signal.SIGKILL)
        assert system.wait(job_id).state == JobState.FAILED
