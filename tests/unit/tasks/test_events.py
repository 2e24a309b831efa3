"""Events are sent once, and kept where that fails."""

from __future__ import annotations

from tasks.app import make_app
from tasks.settings import Settings
from tests.servers.gateway import free_port


def test_a_heartbeat_does_not_wait_for_a_broker_that_is_away() -> None:
    """With Celery's own dispatcher this would hang: kombu tries again for ever."""
    app = make_app(Settings(broker_url=f"redis://127.0.0.1:{free_port()}/0"))
    with app.connection_for_write() as connection:
        dispatcher = app.events.Dispatcher(connection, hostname="gpu0@box")
        dispatcher.send("worker-heartbeat", retry=True, freq=2.0)
        [(event, routing_key)] = dispatcher._outbound_buffer
    assert (event["type"], event["freq"], routing_key) == ("worker-heartbeat", 2.0, "worker.heartbeat")
