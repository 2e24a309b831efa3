"""Which of the ledger's web nodes the gateway sends requests to."""

from __future__ import annotations

from compose.machine.gateway import GONE, SILENT, Alone, _asking
from compose.machine.gateway import living as living_of
from compose.machine.names import Names
from nginx.node import CanaryShare, Upstream
from observability.logging import configure
from tasks.ledger import Ledger
from tasks.ledger import WebNode as Registered
from tasks.settings import Settings
from tests.ledgers import accept_one, register, run

NOW = 1_000_000.0


def living(nodes: list[Registered], now: float, here: str) -> tuple[Upstream, ...]:
    return living_of(nodes, now, here, Names().numeric)


def node(name: str, address: str, *, ago: float = 0.0, healthy: bool = True) -> Registered:
    return Registered(node=name, address=address, healthy=healthy, reason=None, seen_at=NOW - ago)


def test_living_nodes_come_in_a_fixed_order() -> None:
    nodes = [node("b", "10.0.0.2:80"), node("a", "10.0.0.1:80")]
    assert living(nodes, NOW, "x") == (Upstream("10.0.0.1:80"), Upstream("10.0.0.2:80"))
    assert living(nodes[::-1], NOW, "x") == living(nodes, NOW, "x")


def test_silent_and_unwell_nodes_get_nothing_and_old_ones_are_forgotten() -> None:
    nodes = [
        node("a", "10.0.0.1:80", ago=SILENT + 1),
        node("b", "10.0.0.2:80", healthy=False),
        node("c", "10.0.0.3:80", ago=GONE + 1),
    ]
    assert living(nodes, NOW, "x") == (
        Upstream("10.0.0.1:80", healthy=False),
        Upstream("10.0.0.2:80", healthy=False),
    )


def test_a_socket_of_another_machine_is_left_out() -> None:
    nodes = [node("here", "unix:/run/web.sock"), node("there", "unix:/run/web.sock")]
    assert living(nodes, NOW, "here") == (Upstream("unix:/run/web.sock"),)
    assert living(nodes, NOW, "elsewhere") == ()


def test_what_only_its_own_machine_can_reach_is_left_out_elsewhere_and_told_once(tmp_path) -> None:
    configure("test", tmp_path / "lines")
    nodes = [node("here", "local:127.0.0.1:8000"), node("there", "local:127.0.0.1:8000")]
    assert living(nodes, NOW, "here") == (Upstream("127.0.0.1:8000"),)
    assert living(nodes, NOW, "elsewhere") == ()
    alone = Alone("here")
    for _ in range(3):
        alone.register(nodes)
    (line,) = (tmp_path / "lines").read_text().splitlines()
    assert "gateway.unreachable" in line
    assert "web node there listens for its own machine alone" in line


def test_a_change_among_gpu_nodes_is_no_change_for_the_gateway(tmp_path) -> None:
    """Equal backends are no reload, as the tests of `nginx.gateway.ReloadPolicy` show."""
    settings = Settings(data=tmp_path)
    with Ledger(settings.ledger) as ledger:
        ask = _asking(settings, ledger)
        ledger.web_nodes.register("web-1", "127.0.0.1:8001")
        before = ask()
        epoch = register(ledger)
        assert ask() == before
        job_id = accept_one(ledger)
        ledger.dispatch.release(10)
        assert run(ledger, job_id, epoch=epoch)
        register(ledger, "gpu1@b", queues=("sketch@2",), version="2")
        assert ask() == before
        ledger.web_nodes.register("web-2", "127.0.0.1:8002")
        assert ask() != before


def test_the_canary_and_its_version_reach_the_gateway(tmp_path) -> None:
    settings = Settings(data=tmp_path)
    with Ledger(settings.ledger) as ledger:
        lanes = ledger.canaries
        ask = _asking(settings, ledger)
        assert ask().canary is None
        lanes.set("v2", 10)
        assert ask().canary == CanaryShare(10, "v2")
        lanes.stop("by hand")
        assert ask().canary is None


def test_nodes_of_the_setting_are_given_to_nginx_by_number(tmp_path) -> None:
    nodes = "localhost:8001 weight=2, no-such-host.invalid:1, [::1]:2 backup"
    settings = Settings(data=tmp_path, web_nodes=nodes)
    with Ledger(settings.ledger) as ledger:
        ask = _asking(settings, ledger)
        assert ask().nodes == (Upstream("127.0.0.1:8001", weight=2), Upstream("[::1]:2", backup=True))
