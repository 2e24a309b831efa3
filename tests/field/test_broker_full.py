"""A broker that refuses every write for lack of memory: a worker goes on with its songs, and then with the rest."""

from __future__ import annotations

from pathlib import Path

from tasks.jobs import JobState
from tests.servers import valkey, workers
from tests.servers.workers import eventually

REFUSED = 25  # seconds: longer than any pause of Celery's between two tries


def test_a_worker_outlives_a_broker_without_memory(tmp_path: Path) -> None:
    import time

    with valkey.running() as broker, workers.running(tmp_path / "cell", broker, max_attempts=1) as system:
        worker = system.start_worker()
        going = system.submit(f"until={tmp_path / 'go'}")
        system.wait_for_stage(going)
        waiting = [system.submit(seed=number) for number in range(6)]
        broker.client().config_set("maxmemory", "1")
        later = [system.submit(seed=number) for number in range(10, 14)]
        time.sleep(REFUSED)
        (tmp_path / "go").touch()
        assert system.wait(going).state == JobState.SUCCEEDED
        assert system.job(going).attempt == 1
        assert worker.process.poll() is None
        broker.client().config_set("maxmemory", "0")
        for job_id in waiting + later:
            job = system.wait(job_id, limit=60)
            assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)
        assert worker.process.poll() is None
        eventually(lambda: system.wait(system.submit()).state == JobState.SUCCEEDED)
        assert len(system.lines("worker.started")) == 1
