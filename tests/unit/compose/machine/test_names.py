"""Names of web nodes, while the name service answers, fails and hangs."""

from __future__ import annotations

import socket
import threading

import pytest

from compose.machine.names import ASK_AGAIN, PATIENCE, Names
from tests.servers.workers import eventually

NOW = 1_000_000.0


def away(*_: object, **__: object) -> None:
    raise socket.gaierror


@pytest.mark.parametrize("address", ["10.0.0.5:80", "[::1]:80", "unix:/run/web.sock"])
def test_what_needs_no_question_is_not_asked(address: str, monkeypatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", away)
    assert Names().numeric(address, NOW) == address


def test_a_name_becomes_an_address() -> None:
    assert Names().numeric("localhost:80", NOW) == "127.0.0.1:80"


def test_a_name_without_an_address_is_asked_about_again_in_a_while(monkeypatch) -> None:
    known = Names()
    assert known.numeric("no-such-host.invalid:80", NOW) is None
    found = [(socket.AF_INET6, 1, 6, "", ("::7", 0)), (socket.AF_INET, 1, 6, "", ("10.0.0.7", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert known.numeric("no-such-host.invalid:80", NOW + 1) is None, "not asked again at once"
    eventually(lambda: known.numeric("no-such-host.invalid:80", NOW + ASK_AGAIN) == "10.0.0.7:80", 10)


def test_a_name_keeps_its_address_while_the_name_service_is_away(monkeypatch) -> None:
    known = Names()
    assert known.numeric("localhost:80", NOW)
    asked = threading.Event()

    def answers(*_: object, **__: object) -> None:
        asked.set()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    assert known.numeric("localhost:80", NOW + ASK_AGAIN)
    assert asked.wait(10)
    assert known.numeric("localhost:80", NOW + ASK_AGAIN) == "127.0.0.1:80"


def test_a_name_service_that_hangs_takes_no_more_than_its_time_and_only_once(monkeypatch) -> None:
    goes_on, asked = threading.Event(), []

    def hangs(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        goes_on.wait(60)
        return [(socket.AF_INET, 1, 6, "", ("10.0.0.9", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    known, waited = Names(), []
    monkeypatch.setattr(threading.Thread, "join", lambda _, timeout=None: waited.append(timeout))
    for tick in range(1_000):
        assert known.numeric("slow.example:80", NOW + tick) is None
    assert waited == [PATIENCE], "the gateway waits once, not once a question"
    assert asked == ["slow.example"]
    goes_on.set()
    eventually(lambda: known.numeric("slow.example:80", NOW + 1_000) == "10.0.0.9:80", 10)
