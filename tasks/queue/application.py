"""The Celery application: it carries job ids to workers, and nothing else.

What a job is and what became of it stands in the ledger; Celery has no result backend.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.loaders.app import AppLoader
from celery.signals import setup_logging

from tasks.queue import transport
from tasks.queue.names import DEAD_LETTERS, TASK, declare, is_rabbitmq
from tasks.settings import Settings, settings

CONNECT_SECONDS = 4.0  # Celery's own default


def configuration(chosen: Settings, patience: float | None = None) -> dict[str, Any]:
    """Celery's configuration from Tutti's settings.

    Args:
        chosen: The settings.
        patience: Seconds until a broker that does not answer counts as away; None: what suits a worker.
    """
    return {
        "broker_url": chosen.broker,
        "broker_transport_options": _transport_options(chosen, patience),
        # connecting to a frozen broker succeeds, but its greeting never comes
        "broker_connection_timeout": min(patience or CONNECT_SECONDS, CONNECT_SECONDS),
        # a worker that starts before its broker waits for it
        "broker_connection_retry_on_startup": True,
        # jobs outlive a broker's absence; giving up would end a worker that is well
        "broker_connection_max_retries": None,
        # a broker that refuses (out of memory, read-only, its disk full) is one that is away for a while
        "broker_channel_error_retry": True,
        # RabbitMQ: a cut that nobody told of is noticed after two beats; by default that takes minutes
        "broker_heartbeat": 5,
        # True would end a running job as revoked when the broker restarts
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # a message is a job id: nothing that needs pickle, nothing that runs code
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        # the ledger knows the outcome
        "result_backend": None,
        "task_ignore_result": True,
        # the message stays with the broker until the job has ended or is handed back
        "task_acks_late": True,
        # a lost worker's jobs come back through the ledger's lease, not through the broker
        "task_reject_on_worker_lost": False,
        # jobs are long: none is taken that does not run at once
        "worker_prefetch_multiplier": 1,
        # threads around one engine process; time limits are ours, they end the engine and not the thread
        "worker_pool": "threads",
        # without the queues that delayed tasks would need on RabbitMQ
        "worker_consumer": "tasks.worker.consumer:Consumer",
        # queues appear as nodes do, declared by `tasks.queue.names.declare`
        "task_default_queue": DEAD_LETTERS,
        "task_queues": [declare(DEAD_LETTERS, chosen.broker)],
        "task_create_missing_queues": False,
        # Flower lives on events; the dispatcher publishes past `apply_async`, so `sent` is its own to tell
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "task_track_started": True,
        # lines are structlog's
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "timezone": "UTC",
        "enable_utc": True,
    }


def _transport_options(chosen: Settings, patience: float | None) -> dict[str, Any]:
    if is_rabbitmq(chosen.broker):
        # a publish counts when the broker has it on disk
        return {"confirm_publish": True, "read_timeout": patience or 10, "write_timeout": patience or 10}
    return {
        # no renewal in kombu: a message is redelivered after it, so twice the longest job has to fit
        "visibility_timeout": 2 * (chosen.load_seconds + chosen.deadline_seconds + chosen.drain_seconds),
        # own queue, then the node's, then the shared one
        "queue_order_strategy": "priority",
        # without it a publish on a dead connection waits for ever; BRPOP itself waits 1 s. After a cut that
        # nobody told of, several connections run into it one after the other.
        "socket_timeout": patience or 5,
        "socket_connect_timeout": min(patience or CONNECT_SECONDS, CONNECT_SECONDS),
        "socket_keepalive": True,
        # a connection that waits for messages is given up once its answer is overdue by so much
        "health_check_interval": 5,
    }


def make_app(chosen: Settings, patience: float | None = None) -> Celery:
    """A Celery application for these settings, without tasks: the worker adds its own."""
    transport.use()
    made = Application(chosen.broker)
    made.conf.update(configuration(chosen, patience))
    return made


class Loader(AppLoader):  # type: ignore[misc]
    """Reads no configuration module: CELERY_CONFIG_MODULE is somebody else's."""

    def read_configuration(self, env: str = "") -> dict[str, Any]:  # noqa: ARG002 - Celery's name
        """Nothing."""
        return {}


class Application(Celery):  # type: ignore[misc]
    """Celery with one broker, ours: its own would take CELERY_BROKER_URL of the environment before it.

    Nor does it load what DJANGO_SETTINGS_MODULE or CELERY_LOADER name.
    """

    def __init__(self, broker: str) -> None:
        self.tutti_broker = broker
        super().__init__(
            "tutti", set_as_current=False, events="tasks.queue.events:Events", loader=Loader, fixups=set()
        )

    def connection(self, hostname: str | None = None, **options: Any) -> Any:
        """A connection for whatever is to be done."""
        return super().connection(hostname or self.tutti_broker, **options)

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """A connection that takes messages."""
        return self._connection(url or self.tutti_broker, **options)

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """A connection that sends messages."""
        return self._connection(url or self.tutti_broker, **options)


def _leave_logging_alone(**_: object) -> None:
    """Keep Celery from configuring logging: a receiver is all it asks for."""


setup_logging.connect(_leave_logging_alone, weak=False)
app = make_app(settings())

__all__ = ["TASK", "app", "configuration", "make_app"]
