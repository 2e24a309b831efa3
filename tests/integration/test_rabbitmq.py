"""The way of jobs over a real RabbitMQ: quorum queues, a broker that dies or is away, dead letters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import soundfile

from tasks.jobs import Job, JobState
from tasks.queues import DEAD_LETTERS, declare
from tests.servers import rabbitmq, workers
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.workers import Part, System, eventually

QUEUE = "tone@1"


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitMQ]:
    with rabbitmq.running() as started:
        yield started


@pytest.fixture(scope="module")
def system(broker: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with workers.running(tmp_path_factory.mktemp("cell"), broker) as started:
        yield started


@pytest.fixture
def worker(system: System) -> Iterator[Part]:
    part = system.start_worker()
    yield part
    assert part.end() == 0


def ended_once(system: System, job: Job) -> bool:
    """Whether the job succeeded with one good file, and one line says so."""
    (output,) = job.outputs
    mine = [name for name in system.files() if name.startswith(job.id)]
    eventually(lambda: system.lines("job.succeeded", job.id))
    return (
        job.state == JobState.SUCCEEDED
        and mine == [output.name]
        and soundfile.info(system.settings.storage_path / output.name).duration == pytest.approx(5.0)
        and len(system.lines("job.succeeded", job.id)) == 1
    )


def test_a_job_goes_over_a_quorum_queue_to_its_file(system: System, broker: RabbitMQ, worker: Part) -> None:
    job = system.wait(system.submit())
    assert ended_once(system, job)
    assert job.attempt == 1
    with broker.client() as client:
        for name in (QUEUE, "gpu.box.0", "node.box", DEAD_LETTERS):
            # the broker refuses to declare a queue as anything else than it is
            declare(name, broker.url).bind(client.channel()).declare()
