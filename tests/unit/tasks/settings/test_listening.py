"""The four addresses of a server: where it listens, and where this machine, others and people find it."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.settings import Settings, listening

ADDRESSES = st.ip_addresses()


@given(ADDRESSES, st.integers(1, 65535), st.booleans())
def test_every_address_gives_urls_that_read_back(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int, brackets: bool
) -> None:
    text = f"[{address}]" if brackets and address.version == 6 else str(address)
    settings = Settings(host=text, port=port)
    parts = urlsplit(settings.base_url)
    assert (parts.port or 80) == port
    opened = ipaddress.ip_address(str(parts.hostname).replace("%25", "%"))
    assert opened == address or (str(address) in listening.EVERY_ADDRESS and not opened.is_unspecified)
    assert str(settings.own_host) not in listening.EVERY_ADDRESS


@given(st.text(max_size=40))
def test_any_text_is_an_address_a_name_or_refused(text: str) -> None:
    try:
        read = listening.host(text)
    except ValueError:
        return
    else:
        assert urlsplit(listening.url("http", read, 8000)).port == 8000
        assert listening.host(read) == read


@pytest.mark.parametrize(
    "text", ["http://x", "1.2.3", "1.2.3.4:80", "a b", "", "[::1", "::1]", "*", "a/b", "1.2.3.4/8"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has to be an address"):
        listening.host(text)


def test_every_address_of_ipv6_takes_ipv4_too() -> None:
    (made,) = listening.bind("::", 0)
    with made:
        made.listen(1)
        port = made.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), 5).close()


def test_loopback_of_ipv6_takes_no_ipv4() -> None:
    (made,) = listening.bind("::1", 0)
    with made:
        made.listen(1)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", made.getsockname()[1]), 5)


def test_the_usual_port_is_left_out() -> None:
    assert Settings(port=80, host="::1").base_url == "http://[::1]"
    assert Settings(port=443).base_url == "http://127.0.0.1:443"
