"""The transport keeps its client, makes another where its connections were given up."""

from __future__ import annotations

import pytest
from kombu import Connection

from tasks.queue import transport
from tests.servers import valkey


@pytest.mark.server
def test_the_urls_of_redis_lead_to_it() -> None:
    transport.use()
    for url in ("redis://localhost", "rediss://localhost", "redis+socket:///nowhere"):
        assert isinstance(Connection(url).transport, transport.Transport)


@pytest.mark.server
def test_a_channel_keeps_one_client_until_its_connections_are_dropped() -> None:
    transport.use()
    with valkey.running() as server, Connection(server.url) as connection:
        channel = connection.channel()
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
            assert first.ping()
        channel._disconnect_pools()
        with channel.conn_or_acquire() as third:
            assert third is not first
            assert third.ping()


@pytest.mark.server
def test_what_waits_for_messages_has_a_client_of_its_own() -> None:
    transport.use()
    with valkey.running() as server, Connection(server.url) as connection:
        channel = connection.channel()
        with channel.conn_or_acquire() as shared:
            assert channel.client is not shared
            assert channel.client.connection_pool is not shared.connection_pool


@pytest.mark.server
def test_a_channel_whose_connection_has_gone_fails_as_one_that_was_cut_off() -> None:
    transport.use()
    with valkey.running() as server:
        connection = Connection(server.url)
        channel = connection.channel()
        with channel.conn_or_acquire() as client:
            assert client.ping()
        connection.close()
        with pytest.raises(connection.connection_errors), channel.conn_or_acquire():
            pass


@pytest.mark.parametrize("way", ["ack", "requeue"])
@pytest.mark.server
def test_a_message_that_cannot_be_acknowledged_takes_no_room(way: str) -> None:
    transport.use()
    with valkey.running() as server, Connection(server.url) as connection:
        queue = connection.SimpleQueue("some")
        queue.put({"id": "a_1"})
        channel, message = queue.channel, queue.get(timeout=10)
        channel.basic_qos(0, 1, False)
        assert not channel.qos.can_consume()
        server.kill()
        with pytest.raises(connection.connection_errors):
            getattr(message, way)()
        assert channel.qos.can_consume()
        server.start()
        queue.close()
