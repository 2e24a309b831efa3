import subprocess
import sys

import pytest

from tasks.queue.application import configuration, make_app
from tasks.queue.names import DEAD_LETTERS, declare, served_by, worker_name
from tasks.settings import Settings
from tests.servers import valkey


def test_messages_are_json_and_kept_until_the_job_ended() -> None:
    conf = make_app(Settings()).conf
    assert conf.accept_content == ["json"]
    assert conf.task_acks_late
    assert conf.worker_prefetch_multiplier == 1
    assert conf.result_backend is None


def test_a_message_is_not_redelivered_while_its_job_may_still_run() -> None:
    settings = Settings(deadline_seconds=1000, drain_seconds=50)
    assert configuration(settings)["broker_transport_options"]["visibility_timeout"] > 2 * 1000


@pytest.mark.parametrize("broker", ["amqp://localhost", "redis://localhost"])
def test_every_queue_hangs_on_the_default_exchange(broker: str) -> None:
    queue = declare("sketch@1", broker)
    assert (queue.exchange.name, queue.routing_key) == ("", "sketch@1")


def test_rabbitmq_gets_quorum_queues_that_keep_what_they_drop() -> None:
    arguments = declare("sketch@1", "amqp://localhost").queue_arguments
    assert arguments["x-queue-type"] == "quorum"
    assert arguments["x-dead-letter-routing-key"] == DEAD_LETTERS
    assert "x-delivery-limit" not in declare(DEAD_LETTERS, "amqp://localhost").queue_arguments
    assert configuration(Settings(broker_url="amqp://localhost"))["broker_transport_options"][
        "confirm_publish"
    ]


def test_a_worker_serves_its_own_queue_first() -> None:
    assert served_by("box", 1, "sketch@1") == ("gpu.box.1", "node.box", "sketch@1")
    assert worker_name("box", 1) == "gpu1@box"


@pytest.mark.server
def test_a_published_id_comes_back_through_a_real_broker() -> None:
    with valkey.running() as server:
        app = make_app(Settings(broker_url=server.url))
        queue = declare("sketch@1", server.url)
        with app.connection_for_write() as connection, connection.SimpleQueue(queue) as simple:
            simple.put({"id": "a_1"})
            message = simple.get(timeout=10)
            assert message.payload == {"id": "a_1"}
            message.ack()


def test_the_application_is_imported_without_torch() -> None:
    code = "import sys, tasks.queue.application; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
