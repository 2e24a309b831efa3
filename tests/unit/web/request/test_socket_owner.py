"""Whose a connection on loopback is, by the kernel."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from web.request import socket_owner
from web.request.socket_owner import End

WAYS = [socket_owner._ask, socket_owner._look_up]
Way = Callable[[End, End], int | None]

pytestmark = pytest.mark.skipif(not socket_owner.is_known(), reason="this system does not tell")


@contextmanager
def connection(host: str = "127.0.0.1", *, listening: str = "") -> Iterator[tuple[socket.socket, End, End]]:
    """A connection; its far end as a socket, and both ends as the near one sees them."""
    family = socket.AF_INET6 if ":" in (listening or host) else socket.AF_INET
    with socket.create_server(
        (listening or host, 0), family=family, dualstack_ipv6=listening == "::"
    ) as server:
        far = socket.create_connection((host, server.getsockname()[1]))
        near, _ = server.accept()
        with far, near:
            yield far, End(*far.getsockname()[:2]), End(*far.getpeername()[:2])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("host", "listening"), [("127.0.0.1", ""), ("127.0.0.1", "::"), ("127.0.0.9", "")])
def test_our_own_connection_is_ours(way: Way, host: str, listening: str) -> None:
    with connection(host, listening=listening) as (_, far, near):
        assert way(far, near) == os.geteuid()


@pytest.mark.parametrize("way", WAYS)
def test_over_ipv6(way: Way) -> None:
    with connection("::1") as (_, far, near):
        assert way(far, near) == os.geteuid()


@pytest.mark.parametrize("way", WAYS)
def test_another_accounts_is_theirs(way: Way) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a socket somebody else's")
    with connection() as (far, ends, near):
        os.fchown(far.fileno(), 65_534, 65_534)
        assert way(ends, near) == 65_534


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_there_or_closed_is_nobodys(way: Way) -> None:
    with connection() as (far, ends, near):
        assert way(ends, End(near.address, near.port ^ 1)) is None
        far.close()
        assert way(ends, near) is None


def test_a_kernel_that_cannot_be_asked_has_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_owner, "_answers", lambda: False)
    with connection() as (_, far, near):
        assert socket_owner.owner(far, near) == os.geteuid()
