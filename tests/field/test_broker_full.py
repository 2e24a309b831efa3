"""A broker that refuses every write for lack of memory: a worker goes on with its songs, then the rest."""

from __future__ import annotations

import time
from pathlib import Path

from tasks.jobs import JobState
from tests.servers import valkey, workers
from tests.servers.workers import eventually

REFUSED = 25  # seconds: longer than any pause of Celery's between two tries


def test_a_worker_outlives_a_broker_without_memory(tmp_path: Path) -> None:
    with valkey.running() as broker, workers.running(tmp_path / "cell", broker, max_attempts=1) as system:
        worker = system.start_worker()
        going = [system.submit(f"until={tmp_path / 'go'}", seed=number) for number in range(4)]
        for job_id in going:
            system.wait_for_stage(job_id)
        waiting = [system.submit(seed=number) for number in range(10, 20)]
        eventually(lambda: len(broker.client().keys("tone@1*")) > 0, about=lambda: broker.client().keys("*"))
        broker.client().config_set("maxmemory", "1")
        later = [system.submit(seed=number) for number in range(20, 24)]
        time.sleep(REFUSED / 2)
        (tmp_path / "go").touch()  # as each song ends, the worker takes a message, and may note nothing of it
        for job_id in going:
            job = system.wait(job_id)
            assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)
        time.sleep(REFUSED / 2)
        assert worker.process.poll() is None
        broker.client().config_set("maxmemory", "0")
        for job_id in waiting + later:
            job = system.wait(job_id, limit=60)
            assert (job.state, job.attempt) == (JobState.SUCCEEDED, 1)
        assert worker.process.poll() is None
        assert len(system.lines("worker.started")) == 1
