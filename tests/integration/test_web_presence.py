"""What a web node tells the ledger of itself, and so the gateway."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from compose.machine.gateway import living
from compose.machine.names import Names
from nginx.node import Upstream
from tasks.ledger import Ledger
from tests.servers.gateway import free_port
from tests.servers.postgresql import Postgresql
from tests.servers.web import Web, in_app, process
from tests.servers.workers import eventually
from web.api import health, presence


@pytest.mark.parametrize(
    ("advertise", "host"), [(None, socket.gethostname()), ("web-1.example:80", "web-1.example")]
)
def test_a_node_bound_to_every_address_registers_one_that_others_reach(
    tmp_path: Path, advertise: str | None, host: str
) -> None:
    port = free_port()
    more = {"advertise": advertise} if advertise else {}
    with (
        process(tmp_path, port=port, host="0.0.0.0", keys="off", **more),
        Ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger,
    ):
        eventually(ledger.web_nodes.all)
        (node,) = ledger.web_nodes.all()
        assert node.address == f"{host}:{80 if advertise else port}"


def test_a_node_on_loopback_of_a_shared_ledger_says_that_others_cannot_reach_it(
    tmp_path: Path, postgresql: Postgresql
) -> None:
    port, url = free_port(), postgresql.ledger_url()
    with process(tmp_path, port=port, ledger_url=url) as web, Ledger(url) as ledger:
        eventually(ledger.web_nodes.all)
        (node,) = ledger.web_nodes.all()
        assert node.address == f"local:127.0.0.1:{port}"
        (line,) = web.lines("web.unreachable")
        assert "TUTTI_ADVERTISE" in line["message"]
    with process(tmp_path / "alone", port=port) as web:
        assert web.lines("web.unreachable") == []


def test_a_machine_whose_memory_is_full_is_not_ready_and_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real memory is measured against a limit that any machine is beyond, then against the true one."""

    async def scenario(web: Web) -> None:
        def gateway() -> tuple[Upstream, ...]:
            return living(web.ledger.web_nodes.all(), time.time(), "gateway", Names().numeric)

        async def becomes(*, healthy: bool) -> None:
            while gateway() != (Upstream("127.0.0.1:9", healthy=healthy),):
                await asyncio.sleep(0.05)

        monkeypatch.setattr(presence, "PERIOD", 0.05)
        present = asyncio.create_task(presence.run(web.state, "127.0.0.1:9"))
        await becomes(healthy=True)
        assert (await web.client.get("/readyz")).status_code == 200
        with monkeypatch.context() as patch:
            patch.setattr(health, "MEMORY_FULL", 0.0)
            await becomes(healthy=False)
            assert "memory" in str(web.ledger.web_nodes.all()[0].reason)
            answer = await web.client.get("/readyz")
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/not_ready")
            assert "memory" in answer.json()["detail"]
        await becomes(healthy=True)
        present.cancel()

    in_app(tmp_path, scenario)
