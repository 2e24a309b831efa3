"""`/v1/admin/cluster` and the gauges of all hosts: for keepers, true, and 0 where there is nothing."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tasks.cluster import STATES
from tasks.ledger import PartReport, Quota, Vitals, WorkerInfo
from tasks.security.keys import scopes_of
from tests.servers.web import in_app

INFO = WorkerInfo(id="gpu0@box", node="box", queues=("tone@1",), engine="tone", model_version="1", slots=4)


def gauges(text: str, name: str) -> dict[str, float]:
    return {found[0]: float(found[1]) for found in re.findall(rf"^{name}{{(.*)}} (\S+)$", text, re.MULTILINE)}


def test_keepers_see_every_part_and_others_nothing(tmp_path: Path) -> None:
    async def scenario(web):
        epoch = web.ledger.workers.register(INFO)
        web.ledger.workers.renew(INFO.id, epoch, vitals=Vitals())
        said = PartReport(
            id=INFO.id, kind="worker", node="box", version="1", state="no storage", reason="the NAS is full"
        )
        web.ledger.parts.record(said, 30)
        async with web.another(peer=("192.0.2.7", 4321)) as stranger:
            assert (await stranger.get("/v1/admin/cluster")).status_code == 403
        answer = await web.client.get("/v1/admin/cluster")
        assert answer.status_code == 200, answer.text
        seen = answer.json()
        (worker,) = [part for part in seen["parts"] if part["kind"] == "worker"]
        assert (worker["name"], worker["state"], worker["well"]) == ("gpu0@box", "no storage", False)
        assert (worker["facts"]["slots"], worker["reason"]) == (4, "the NAS is full")
        assert "worker gpu0@box: no storage; the NAS is full" in seen["troubles"]
        assert any("no dispatcher leads" in trouble for trouble in seen["troubles"])

    in_app(tmp_path, scenario)


def test_a_key_without_the_scope_admin_does_not_open_it(tmp_path: Path) -> None:
    async def scenario(web):
        assert (await web.client.get("/v1/admin/cluster")).status_code == 401
        for scope, status in (("read", 403), ("admin", 200)):
            _, secret = web.ledger.keys.add(scope, scopes_of([scope]), Quota())
            async with web.another(peer=("192.0.2.7", 4321), authorization=f"Bearer {secret}") as person:
                assert (await person.get("/v1/admin/cluster")).status_code == status

    in_app(tmp_path, scenario, keys="on")


def test_what_is_empty_is_shown_as_0_and_goes_on_being_shown(tmp_path: Path) -> None:
    async def scenario(web):
        web.ledger.workers.register(INFO)
        text = (await web.client.get("/metrics")).text
        assert gauges(text, "tutti_queue_depth") == {'queue="tone@1"': 0.0}
        assert gauges(text, "tutti_worker_slots") == {'taken="no"': 4.0, 'taken="yes"': 0.0}
        workers = gauges(text, "tutti_workers")
        assert workers == {f'state="{state}"': float(state == "ready") for state in STATES["worker"]}
        assert len(gauges(text, "tutti_parts")) == sum(len(STATES[kind]) for kind in STATES) - len(workers)

        job = await web.submit()
        waiting: list[str] = []
        while not waiting:  # the picture of the queues is a second old at most
            depths = gauges(await metrics(web), "tutti_queue_depth")
            waiting = [name for name, depth in depths.items() if depth]
        (queue,) = waiting
        assert (await web.client.post(f"/v1/jobs/{job}/cancel")).status_code == 200
        while gauges(await metrics(web), "tutti_queue_depth").get(queue) != 0.0:
            await asyncio.sleep(0.1)  # the picture of the queues is a second old at most
        assert gauges(await metrics(web), "tutti_oldest_queued_seconds")[queue] == 0.0

    async def metrics(web) -> str:
        return str((await web.client.get("/metrics")).text)

    in_app(tmp_path, scenario)
