"""Events are sent once, and kept where that fails."""

from __future__ import annotations

import pytest

from tasks.queue.application import make_app
from tasks.settings import Settings
from tests.servers import valkey


@pytest.mark.server
def test_a_heartbeat_does_not_wait_for_a_broker_that_has_gone() -> None:
    """With Celery's own dispatcher this hangs: kombu connects again for ever."""
    with valkey.running() as broker:
        app = make_app(Settings(broker_url=broker.url))
        with app.connection_for_write() as connection:
            dispatcher = app.events.Dispatcher(connection, hostname="gpu0@box")
            dispatcher.send("worker-online", retry=True)
            assert not dispatcher._outbound_buffer
            broker.kill()
            dispatcher.send("worker-heartbeat", retry=True, freq=2.0)
            [(event, routing_key)] = dispatcher._outbound_buffer
            broker.start()
    assert (event["type"], event["freq"], routing_key) == ("worker-heartbeat", 2.0, "worker.heartbeat")
