"""kombu's Redis transport with one client a channel, whose room does not shrink with lost acknowledgements.

kombu 5.7 makes a new `redis.Redis` for every message that it takes, acknowledges or puts back: a sixth of a
worker's CPU where jobs are short. A client keeps no connection of its own and may serve many threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as Gone
from redis.exceptions import ResponseError as Refused


class QoS(redis.QoS):  # type: ignore[misc]
    """Counts the messages that are being worked on, by which a worker takes no more than it has room for.

    One that cannot be acknowledged or put back is done with all the same. In kombu 5.7 it would count for
    ever, since Celery does not try again, and after as many as there is room the worker takes nothing. The
    broker hands it out once more when its visibility timeout is over; the ledger knows the job by then.
    """

    def ack(self, delivery_tag: str) -> None:
        """Tell the broker that a message is done with."""
        with self._done_with(delivery_tag):
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Tell the broker that a message is not wanted, or is for somebody else."""
        with self._done_with(delivery_tag):
            super().reject(delivery_tag, requeue=requeue)

    @contextlib.contextmanager
    def _done_with(self, delivery_tag: str) -> Iterator[None]:
        try:
            yield
        except (*self.channel.connection_errors, Refused):
            self._quick_ack(delivery_tag)
            raise


class Channel(redis.Channel):  # type: ignore[misc]
    """Keeps its client for as long as its connection pool is the same."""

    QoS = QoS
    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:  # waits for messages on a connection of its own
            return super()._create_client(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()
        return self._kept

    def _get_pool(self, asynchronous: bool = False) -> Any:
        """New connections, unless the channel's own has gone.

        kombu closes a channel once more when a broker is lost for the second time. It then looks for the
        URL of a connection that it has forgotten, and the AttributeError ends the worker; as an error of
        the connection it is one of those that kombu expects there.
        """
        if getattr(self.connection, "client", None) is None:
            raise Gone("the connection of this channel is closed")
        return super()._get_pool(asynchronous)


class Transport(redis.Transport):  # type: ignore[misc]
    """What `redis://`, `rediss://` and `redis+socket://` lead to in this process after `use`."""

    Channel = Channel


def use() -> None:
    """Let kombu's Redis URLs lead here; kombu takes a class for them by no other way."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
