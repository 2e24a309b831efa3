"""From the dispatcher to the broker: batches of messages that carry a job id each."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from amqp.exceptions import NotFound
from celery import Celery
from kombu import Connection, Producer
from kombu.exceptions import KombuError

from observability.logging import get_logger
from tasks.ledger import Release
from tasks.queue.names import DEAD_LETTERS, DEFAULT_EXCHANGE, TASK, declare, is_rabbitmq

log = get_logger()

BATCH = 500
DEAD_LETTERS_AT_ONCE = 100
SILENT = 3  # publishes in a row that a queue did not confirm, though the broker answers: it is made anew


class BrokerUnavailable(Exception):
    """The broker did not take what it was given; whether it took some of it is not known."""


class Publisher:
    """One connection to the broker, made when it is needed and dropped when it fails.

    `as_task_v2` and `Producer.publish` inside kombu's batch publish ten times as fast as `apply_async`; any
    Celery worker consumes it.

    A quorum queue of RabbitMQ 3.10 that was made within a second of its broker's death has no leader ever
    after: it can be declared and confirms nothing. It is deleted; what it may have held is released again.
    """

    def __init__(self, app: Celery, broker: str) -> None:
        self._app = app
        self._broker = broker
        self._connection: Connection | None = None
        self._producer: Producer | None = None
        self._declared: set[str] = set()
        self._silent: Counter[str] = Counter()

    def publish(self, releases: Sequence[Release]) -> None:
        """Send one message a release.

        Raises:
            BrokerUnavailable: Some, all or none were sent; sending all again is harmless.
        """
        try:
            producer = self._ready({release.queue for release in releases})
            with producer.batch(max_size=BATCH):
                for release in releases:
                    self._send(producer, release)
        except Exception as error:
            raise self._lost(error) from error

    def dead_letters(self) -> list[str]:
        """The job ids of messages that were delivered too often, taken from the dead-letter queue."""
        if not is_rabbitmq(self._broker):
            return []
        try:
            channel = self._ready([DEAD_LETTERS]).channel
            queue = declare(DEAD_LETTERS, self._broker).bind(channel)
            return list(_drain(queue))
        except Exception as error:
            raise self._lost(error) from error

    def purge(self, queue: str) -> None:
        """Empty a queue that nobody serves; the ledger has its jobs."""
        try:
            declare(queue, self._broker).bind(self._ready([queue]).channel).purge()
        except Exception as error:
            raise self._lost(error) from error

    def delete_unused(self, queue: str) -> bool:
        """Delete a queue that is empty and that nobody consumes; False where it is not to be deleted now.

        Valkey forgets a queue when it is empty. RabbitMQ does not take these conditions for a quorum queue,
        so they are looked at before.
        """
        if not is_rabbitmq(self._broker):
            return True
        try:
            self._ready([])
            return self._connection is not None and self._delete_unused(self._connection, queue)
        except Exception as error:
            raise self._lost(error) from error

    def _delete_unused(self, connection: Connection, queue: str) -> bool:
        with connection.channel() as channel:  # one of its own: asking for what is not there closes it
            bound = declare(queue, self._broker).bind(channel)
            try:
                found = bound.queue_declare(passive=True)
            except NotFound:
                return True
            if found.message_count or found.consumer_count:
                return False
            bound.delete()
            self._declared.discard(queue)
            return True

    def close(self) -> None:
        """Take leave of the broker."""
        self._drop(Connection.release)

    def _drop(self, how: Callable[[Connection], None] = Connection.collect) -> None:
        """Let go of the connection; `collect` says nothing to a broker that may not listen."""
        connection, self._connection, self._producer = self._connection, None, None
        self._declared.clear()
        if connection:
            with contextlib.suppress(*connection.connection_errors, *connection.channel_errors, OSError):
                how(connection)

    def _ready(self, queues: Iterable[str]) -> Producer:
        if self._producer is None:
            self._connection = self._app.connection_for_write()
            hosts = len(self._connection.alt) or 1  # each is tried once; whoever calls tries again later
            self._connection.ensure_connection(max_retries=hosts - 1, interval_start=0)
            self._producer = Producer(self._connection.channel(), serializer="json", auto_declare=False)
        for name in set(queues) - self._declared:
            queue = declare(name, self._broker).bind(self._producer.channel)
            if self._silent[name] >= SILENT:
                del self._silent[name]
                log.warning("queue.made_anew", message=f"{name} confirms nothing; it is deleted and declared")
                queue.delete()
            queue.declare()
            self._declared.add(name)
        return self._producer

    def _send(self, producer: Producer, release: Release) -> None:
        message = self._app.amqp.as_task_v2(release.job_id, TASK, ignore_result=True)
        headers = message.headers | {"traceparent": release.traceparent}
        try:
            producer.publish(
                message.body,
                exchange=DEFAULT_EXCHANGE,
                routing_key=release.queue,
                headers=headers,
                delivery_mode=2,
                **message.properties,
            )
        except TimeoutError:
            self._silent[release.queue] += 1
            raise
        del self._silent[release.queue]

    def _lost(self, error: Exception) -> Exception:
        """What to raise after `error`, with the connection dropped if it is the broker's."""
        connection = self._connection or self._app.connection_for_write()
        theirs: tuple[type[Exception], ...] = (
            *connection.connection_errors, *connection.channel_errors, KombuError, OSError,
        )  # fmt: skip
        self._drop()
        return BrokerUnavailable(str(error) or type(error).__name__) if isinstance(error, theirs) else error


def _drain(queue: Any) -> Iterable[str]:
    for _ in range(DEAD_LETTERS_AT_ONCE):
        message = queue.get(no_ack=True)
        if message is None:
            return
        if job_id := message.headers.get("id"):
            yield str(job_id)
