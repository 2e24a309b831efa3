"""Which of the ledger's web nodes the gateway sends requests to."""

from __future__ import annotations

import socket

from compose.gateway import ASK_AGAIN, GONE, SILENT, Names, _look
from compose.gateway import living as living_of
from nginx.node import WebNode
from tasks.ledger import Ledger
from tasks.ledger import WebNode as Registered
from tasks.ledger.canary import CanaryTable
from tasks.ledger.operating import opened
from tasks.settings import Settings
from tests.ledgers import accept_one, register, run

NOW = 1_000_000.0


def living(nodes: list[Registered], now: float, here: str) -> tuple[WebNode, ...]:
    return living_of(nodes, now, here, Names())


def node(name: str, address: str, *, ago: float = 0.0, healthy: bool = True) -> Registered:
    return Registered(node=name, address=address, healthy=healthy, reason=None, seen_at=NOW - ago)


def test_living_nodes_come_in_a_fixed_order() -> None:
    nodes = [node("b", "10.0.0.2:80"), node("a", "10.0.0.1:80")]
    assert living(nodes, NOW, "x") == (WebNode("10.0.0.1:80"), WebNode("10.0.0.2:80"))
    assert living(nodes[::-1], NOW, "x") == living(nodes, NOW, "x")


def test_silent_and_unwell_nodes_get_nothing_and_old_ones_are_forgotten() -> None:
    nodes = [
        node("a", "10.0.0.1:80", ago=SILENT + 1),
        node("b", "10.0.0.2:80", healthy=False),
        node("c", "10.0.0.3:80", ago=GONE + 1),
    ]
    assert living(nodes, NOW, "x") == (
        WebNode("10.0.0.1:80", healthy=False),
        WebNode("10.0.0.2:80", healthy=False),
    )


def test_a_socket_of_another_machine_is_left_out() -> None:
    nodes = [node("here", "unix:/run/web.sock"), node("there", "unix:/run/web.sock")]
    assert living(nodes, NOW, "here") == (WebNode("unix:/run/web.sock"),)
    assert living(nodes, NOW, "elsewhere") == ()


def test_a_machine_whose_name_has_no_address_is_left_out_until_it_has_one(monkeypatch) -> None:
    nodes = [node("a", "localhost:80"), node("b", "no-such-host.invalid:80"), node("c", "[::1]:80")]
    known = Names()
    good = (WebNode("[::1]:80"), WebNode("localhost:80"))
    assert living_of(nodes, NOW, "x", known) == good
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
    assert living_of(nodes, NOW, "x", known) == good, "not asked again at once"
    assert len(living_of(nodes, NOW + ASK_AGAIN, "x", known)) == 3


def test_a_name_stays_good_while_the_name_service_is_away(monkeypatch) -> None:
    known = Names()
    assert known("localhost:80", NOW)

    def away(*_: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", away)
    assert known("localhost:80", NOW + GONE)


def test_a_change_among_gpu_nodes_is_no_change_for_the_gateway(tmp_path) -> None:
    """Equal backends are no reload, as the tests of `nginx.gateway.Watch` show."""
    settings = Settings(data=tmp_path)
    with Ledger(settings.ledger) as ledger:
        look = _look(settings, ledger, CanaryTable(opened(settings.ledger)))
        ledger.register_web("web-1", "127.0.0.1:8001")
        before = look()
        epoch = register(ledger)
        assert look() == before
        job_id = accept_one(ledger)
        ledger.release(10)
        assert run(ledger, job_id, epoch=epoch)
        register(ledger, "gpu1@b", queues=("sketch@2",), version="2")
        assert look() == before
        ledger.register_web("web-2", "127.0.0.1:8002")
        assert look() != before
