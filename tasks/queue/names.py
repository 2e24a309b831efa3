"""Names of queues, how they are declared, and which ones a worker serves.

Every queue hangs on the broker's default exchange, which routes by queue name: no bindings to lose, the same
on Valkey and RabbitMQ.
"""

from __future__ import annotations

from typing import Any, Final

from kombu import Exchange, Queue

TASK: Final = "tutti.generate"
DEAD_LETTERS: Final = "tutti.dead"
DELIVERY_LIMIT: Final = 20  # a quorum queue drops silently after it unless there is a dead-letter queue
DEFAULT_EXCHANGE: Final = Exchange("", type="direct")


def device_queue(node: str, index: int) -> str:
    """The queue of one GPU: work that has to run just there."""
    return f"gpu.{node}.{index}"


def node_queue(node: str) -> str:
    """The queue of one machine: work of a session that was served there before."""
    return f"node.{node}"


def model_queue(engine: str, version: str) -> str:
    """The queue that all workers of one model version share, such as `sketch@1`."""
    return f"{engine}@{version}"


def version_of(queue: str) -> str:
    """The version in the name that `model_queue` makes."""
    return queue.rpartition("@")[2]


def worker_name(node: str, index: int) -> str:
    """The name of a worker in the ledger and among Celery's nodes, so that either finds the other."""
    return f"gpu{index}@{node}"


def served_by(node: str, index: int, model: str) -> tuple[str, str, str]:
    """The queues a worker consumes, first what only it can take, last what anyone can.

    Valkey keeps this order (`queue_order_strategy`); RabbitMQ hands out from all three alike.
    """
    return device_queue(node, index), node_queue(node), model


def declare(name: str, broker: str) -> Queue:
    """The kombu declaration of a queue; publishers and consumers must use the same one."""
    return Queue(
        name, DEFAULT_EXCHANGE, routing_key=name, durable=True, queue_arguments=_arguments(name, broker)
    )


def is_rabbitmq(broker: str) -> bool:
    """Whether the kombu URL leads to an AMQP broker."""
    return broker.split("://", 1)[0] in {"amqp", "amqps", "pyamqp"}


def _arguments(name: str, broker: str) -> dict[str, Any]:
    if not is_rabbitmq(broker):
        return {}
    arguments: dict[str, Any] = {"x-queue-type": "quorum"}  # replicated and fsynced; classic mirrors are gone
    if name != DEAD_LETTERS:
        arguments |= {
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD_LETTERS,
        }
    return arguments
