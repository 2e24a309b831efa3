from __future__ import annotations

import pytest

from web.request import client


def scope(peer: tuple[str, int] | None, **headers: str) -> dict:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": peer, "headers": raw}


def test_the_peer_is_the_client_whatever_it_claims():
    claimed = scope(("198.51.100.7", 4000), x_real_ip="10.0.0.1", x_forwarded_for="10.0.0.2")
    assert client.address(claimed) == "198.51.100.7"
    assert not client.held_in_front(claimed)


@pytest.mark.parametrize("peer", [None, ("", 0)], ids=["no peer", "empty peer"])
def test_over_the_unix_socket_the_gateway_is_believed(peer):
    assert client.held_in_front(scope(peer))
    assert client.address(scope(peer, x_real_ip="203.0.113.5")) == "203.0.113.5"


def test_of_forwarded_addresses_only_the_gateways_own_entry_counts():
    forged = scope(None, x_forwarded_for="1.1.1.1, 2.2.2.2, 203.0.113.9")
    assert client.address(forged) == "203.0.113.9"


def test_nonsense_from_the_gateway_is_not_an_address():
    assert client.address(scope(None, x_real_ip="<script>")) == "127.0.0.1"


def test_a_trusted_network_may_state_the_client():
    proxies = client.Proxies(trusted=client.networks("10.0.0.0/8, ::1"))
    stated = {
        "x_forwarded_for": "203.0.113.5",
        "x_real_ip": "203.0.113.6",
    }  # the second may be the client's own
    assert client.address(scope(("10.1.2.3", 1), **stated), proxies) == "203.0.113.5"
    assert client.address(scope(("11.1.2.3", 1), **stated), proxies) == "11.1.2.3"


def test_an_ipv6_client_is_counted_by_its_network():
    assert client.bucket("2001:db8::1") == client.bucket("2001:db8::ffff:2") != client.bucket("2001:db8:1::1")
    assert client.bucket("192.0.2.1") != client.bucket("192.0.2.2")


def test_the_hash_of_an_address_does_not_show_it():
    assert "192.0.2.1" not in client.hashed("192.0.2.1")
    assert client.hashed("192.0.2.1") == client.hashed("192.0.2.1") != client.hashed("192.0.2.2")
