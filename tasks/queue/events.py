"""Celery's events, which Flower shows: sending one never holds up the worker."""

from __future__ import annotations

from typing import Any

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher


class EventSender(EventDispatcher):  # type: ignore[misc]
    """Sends an event once; what fails is kept and goes out with the next connection.

    Celery 5.7 sends its heartbeats from the loop that takes messages, and has kombu try them again for ever.
    After a cut kombu 5.7 goes on with the channel of before, connects without end, and no message is taken.
    """

    def send(self, kind: str, *arguments: Any, **fields: Any) -> Any:
        """As Celery's own, without another try."""
        return super().send(kind, *arguments, **fields | {"retry": False})


class Events(CeleryEvents):  # type: ignore[misc]
    """What `app.events` is."""

    dispatcher_cls = EventSender
