"""kombu's Redis transport with one client a channel.

kombu 5.7 makes a new `redis.Redis` for every message that it takes, acknowledges or puts back: a sixth of a
worker's CPU where jobs are short. A client keeps no connection of its own and may serve many threads.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):  # type: ignore[misc]
    """Keeps its client for as long as its connection pool is the same."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:  # waits for messages on a connection of its own
            return super()._create_client(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()
        return self._kept


class Transport(redis.Transport):  # type: ignore[misc]
    """What `redis://` and `redis+socket://` lead to in this process after `use`."""

    Channel = Channel


def use() -> None:
    """Let kombu's Redis URLs lead here; kombu takes a class for them by no other way."""
    TRANSPORT_ALIASES["redis"] = f"{__name__}:Transport"
