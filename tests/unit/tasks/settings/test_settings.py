"""Settings that follow from others."""

from __future__ import annotations

import socket

import pytest
from pydantic import ValidationError

from tasks.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_keys_are_off_by_default_where_only_this_machine_comes(host: str) -> None:
    assert not Settings(host=host).keys_required
    assert Settings(host=host, keys="on").keys_required


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "music.example"])
def test_keys_are_on_by_default_where_others_come(host: str) -> None:
    assert Settings(host=host).keys_required
    assert not Settings(host=host, keys="off").keys_required


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.5", "10.0.0.5:8001"),
        ("2001:db8::5", "[2001:db8::5]:8001"),
        ("[2001:db8::5]", "[2001:db8::5]:8001"),
        ("0.0.0.0", f"{socket.gethostname()}:8001"),
        ("::", f"{socket.gethostname()}:8001"),
    ],
)
def test_a_web_node_tells_an_address_that_others_reach(host: str, address: str) -> None:
    assert Settings(host=host, port=8001).advertised == address
    assert Settings(host=host, port=8001, advertise="web-1.lan:80").advertised == "web-1.lan:80"


@pytest.mark.parametrize("text", ["web-1", "http://web-1:80", "a b:80", "2001:db8::5:80", ""])
def test_an_address_that_nginx_could_not_take_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="host:port"):
        Settings(advertise=text)
