"""The way of jobs over a real RabbitMQ: quorum queues, a broker that dies or is away, dead letters."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
import sqlalchemy as sa
from amqp.exceptions import NotFound, PreconditionFailed

from tasks.jobs import Job, JobState
from tasks.ledger import Release
from tasks.ledger.sql.schema import live
from tasks.queue.application import make_app
from tasks.queue.control import cancel_running
from tasks.queue.names import DEAD_LETTERS, DELIVERY_LIMIT, declare
from tasks.queue.publisher import BrokerUnavailable, Publisher
from tasks.settings import Settings
from tasks.storage.folders import located
from tests.servers import rabbitmq, workers
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.workers import Part, System, eventually

QUEUE = "tone@1"
SLOTS = 4
PATIENCE = 180  # a broker's restart, and Celery's growing pauses between two tries to reach it


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
        and soundfile.info(located(system.settings.storage_path, output.name)).duration == pytest.approx(5.0)
        and len(system.lines("job.succeeded", job.id)) == 1
    )


def releases(system: System, job_id: str) -> int:
    """How often the job has been sent to the broker."""
    engine = sa.create_engine(system.settings.ledger)
    with engine.connect() as connection:
        return connection.scalar(sa.select(live.c.releases).where(live.c.job_id == job_id)) or 0


def refuse_until_dropped(broker: RabbitMQ, job_id: str) -> None:
    """Take the job's message and return it undone, once more than the broker lets it come back."""
    refused = 0

    def dropped() -> bool:
        nonlocal refused
        if message := queue.get():
            mine = message.headers["id"] == job_id
            message.reject(requeue=mine)  # what earlier tests left goes
            refused += mine
        return refused > DELIVERY_LIMIT

    with broker.client() as client:
        queue = declare(QUEUE, broker.url).bind(client.channel())
        queue.declare()  # the dispatcher may not have come to it yet
        eventually(dropped, about=lambda: refused)


def test_a_job_goes_over_a_quorum_queue_to_its_file(system: System, broker: RabbitMQ, worker: Part) -> None:
    job = system.wait(system.submit())
    assert ended_once(system, job)
    assert job.attempt == 1
    for name in (QUEUE, "gpu.box.0", "node.box", DEAD_LETTERS):
        other = declare(name, broker.url).queue_arguments | {"x-queue-type": "classic"}
        with broker.client() as client, pytest.raises(PreconditionFailed, match="current is 'quorum'"):
            client.channel().queue_declare(name, durable=True, auto_delete=False, arguments=other)
    with broker.client() as client, pytest.raises(NotFound):
        client.channel().queue_declare("celery_delayed_0", passive=True)


def test_a_running_job_is_cancelled_through_the_broker(system: System, worker: Part, tmp_path: Path) -> None:
    job_id = system.submit(f"until={tmp_path / 'never'}")
    job = system.wait_for_stage(job_id)
    assert job.worker
    cancel_running(system.settings, job.worker, job_id)  # the ledger, which would tell it too, knows nothing
    assert system.wait(job_id).state == JobState.CANCELLED


def test_a_job_whose_worker_is_full_is_put_back_and_released_again(
    system: System, worker: Part, tmp_path: Path
) -> None:
    held = [system.submit(f"until={tmp_path / 'go'}") for _ in range(SLOTS)]
    for job_id in held:
        system.wait_for_stage(job_id)
    waiting = system.submit()
    eventually(lambda: releases(system, waiting) > 1)
    (tmp_path / "go").touch()
    for job in map(system.wait, [*held, waiting]):
        assert ended_once(system, job)
        assert job.attempt == 1


def test_a_publish_counts_only_when_the_broker_has_confirmed_it(system: System, broker: RabbitMQ) -> None:
    """Without confirms it would count as soon as the kernel had it."""
    publisher = Publisher(make_app(system.settings, 1.0), broker.url)
    publisher.publish([Release(job_id="a1", queue="gpu.confirmed.0")])
    broker.freeze()
    try:
        with pytest.raises(BrokerUnavailable):
            publisher.publish([Release(job_id="a2", queue="gpu.confirmed.0")])
    finally:
        broker.thaw()
    publisher.publish([Release(job_id="a3", queue="gpu.confirmed.0")])
    publisher.purge("gpu.confirmed.0")
    publisher.close()


def test_a_queue_whose_leader_a_crash_took_is_made_anew() -> None:
    """Made just before its broker is killed it can be declared, and takes nothing."""
    with rabbitmq.running() as own:
        publisher = Publisher(make_app(Settings(broker_url=own.url), 1.0), own.url)
        publisher.publish([Release(job_id="a1", queue=QUEUE)])
        own.freeze()
        own.kill()
        own.start()
        eventually(lambda: publishes(publisher))
        publisher.close()


def publishes(publisher: Publisher) -> bool:
    with contextlib.suppress(BrokerUnavailable):
        publisher.publish([Release(job_id="a2", queue=QUEUE)])
        return True
    return False


def test_jobs_end_and_leases_hold_though_the_broker_is_frozen(
    system: System, broker: RabbitMQ, worker: Part, tmp_path: Path
) -> None:
    job_id = system.submit(f"until={tmp_path / 'go'}")
    system.wait_for_stage(job_id)
    broker.freeze()
    try:
        waiting = system.submit()
        told = len(system.lines("broker.unavailable"))
        eventually(lambda: len(system.lines("broker.unavailable")) >= told + 2)  # beyond the leases
        (tmp_path / "go").touch()
        assert system.wait(job_id).attempt == 1
        assert not system.job(waiting).state.final
    finally:
        broker.thaw()
    assert ended_once(system, system.wait(waiting, limit=PATIENCE))
    assert len(system.lines("dispatcher.leads")) == 1


def test_every_job_ends_once_though_the_broker_is_killed_among_them(
    system: System, broker: RabbitMQ, worker: Part
) -> None:
    job_ids = [system.submit() for _ in range(40)]
    eventually(lambda: sum(system.job(job_id).state.final for job_id in job_ids) >= 5)
    broker.kill()
    assert not all(system.job(job_id).state.final for job_id in job_ids)
    broker.start()
    for job_id in job_ids:
        assert ended_once(system, system.wait(job_id, limit=PATIENCE))
    assert worker.process.poll() is None


def test_jobs_are_accepted_while_the_broker_is_down_and_released_when_it_returns(
    system: System, broker: RabbitMQ, worker: Part
) -> None:
    broker.stop()
    told = len(system.lines("broker.unavailable"))
    job_ids = [system.submit() for _ in range(5)]
    eventually(lambda: len(system.lines("broker.unavailable")) > told)
    assert {system.job(job_id).state for job_id in job_ids} == {JobState.QUEUED}
    broker.start()
    for job_id in job_ids:
        assert ended_once(system, system.wait(job_id, limit=PATIENCE))


def test_a_message_that_was_delivered_too_often_is_read_back_from_the_dead_letters(
    system: System, broker: RabbitMQ
) -> None:
    job_id = system.submit()
    refuse_until_dropped(broker, job_id)
    eventually(lambda: system.lines("queue.dead_letters"))
    worker = system.start_worker()
    assert ended_once(system, system.wait(job_id, limit=PATIENCE))
    assert worker.end(signal.SIGTERM) == 0


def test_a_queue_that_nobody_serves_is_emptied(system: System, broker: RabbitMQ) -> None:
    publisher = Publisher(make_app(system.settings), broker.url)
    publisher.publish([Release(job_id=f"a{n}", queue="gpu.gone.0") for n in range(3)])
    with broker.client() as client:
        queue = declare("gpu.gone.0", broker.url).bind(client.channel())
        eventually(lambda: queue.queue_declare(passive=True).message_count == 3)
        publisher.purge("gpu.gone.0")
        assert queue.get() is None
    publisher.close()


def test_queues_of_workers_that_are_gone_are_deleted_but_not_what_is_used(broker):
    app = make_app(Settings(broker_url=broker.url))
    publisher = Publisher(app, broker.url)
    empty, full, used = "node.gone", "node.full", "node.used"
    with contextlib.closing(publisher), app.connection_for_write() as connection:
        publisher.publish([Release(job_id=f"a_{n}", queue=n) for n in (empty, full, used)])
        for name in (empty, used):
            publisher.purge(name)
        with connection.Consumer([declare(used, broker.url)], callbacks=[lambda *_: None]):
            eventually(
                lambda: (
                    [publisher.delete_unused(name) for name in (empty, full, used)] == [True, False, False]
                )
            )
        channel = connection.channel()
        with pytest.raises(NotFound):
            declare(empty, broker.url).bind(channel).queue_declare(passive=True)
        publisher.publish([Release(job_id="a_1", queue=empty)])  # wanted again: it is declared again
        bound = declare(empty, broker.url).bind(connection.channel())
        assert bound.queue_declare(passive=True).message_count == 1
        for name in (empty, full, used):
            declare(name, broker.url).bind(connection.channel()).delete()
