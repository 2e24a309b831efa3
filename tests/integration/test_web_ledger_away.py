"""The web app while its ledger is away: it says so, refuses with when to come back, and goes on by itself."""

from __future__ import annotations

import asyncio

from tasks.ledger.sql import writer
from tests.servers.holding import held
from tests.servers.web import GOOD, Web, in_app

LIMIT = 30  # seconds


async def readiness(web: Web, status: int) -> str:
    """Ask until readiness has this status; it is looked at once a second, not for each question."""
    async with asyncio.timeout(LIMIT):
        while (answer := await web.client.get("/readyz")).status_code != status:
            await asyncio.sleep(0.1)
    return answer.text


def test_a_node_without_its_ledger_is_not_ready_and_refuses_until_it_returns(tmp_path, own_postgresql):
    async def scenario(web: Web) -> None:
        assert (await web.client.get("/readyz")).status_code == 200
        own_postgresql.kill()
        assert "ledger" in await readiness(web, 503)
        refused = await web.client.post("/v1/jobs", json=GOOD)
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) > 0
        own_postgresql.start()
        await readiness(web, 200)
        assert (await web.client.post("/v1/jobs", json=GOOD)).status_code == 202

    in_app(tmp_path, scenario, ledger_url=own_postgresql.ledger_url())


def test_a_ledger_that_a_stopped_process_holds_is_one_that_is_away(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "PATIENCE", 0.5)

    async def scenario(web: Web) -> None:
        await web.submit()
        with held(web.settings.ledger):
            refused = await web.client.post("/v1/jobs", json=GOOD)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert "ledger" in await readiness(web, 503)
        await readiness(web, 200)
        await web.submit()

    in_app(tmp_path, scenario)
