"""The manual's blocks build a cluster that makes songs, and one view tells how each host is."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.cluster import manual
from tests.cluster.cluster import Cluster
from tests.cluster.test_taking import all_made, ask
from tests.servers.workers import eventually

NAMES = {"gateway": 2, "web": 2, "dispatch": 2, "worker": 3}


def states(cluster: Cluster) -> dict[str, str]:
    """Every part's state, as a keeper sees it."""
    with cluster.client() as client:
        answer = client.get("/v1/admin/cluster")
    assert answer.status_code == 200, answer.text
    return {f"{part['kind']} {part['node']}": part["state"] for part in answer.json()["parts"]}


def troubles(cluster: Cluster) -> list[str]:
    with cluster.client() as client:
        return list(client.get("/v1/admin/cluster").json()["troubles"])


def test_the_manual_names_every_host_and_part():
    blocks = list(manual.blocks())
    assert {"db", "broker", "web1", "gateway2", "gpu3"} <= set(manual.hosts())
    always = [block.text.split()[-1] for block in blocks for _ in block.hosts if block.what == "always"]
    assert {kind: always.count(kind) for kind in NAMES} == NAMES
    assert any(block.what == "/etc/tutti/tutti.toml" for block in blocks)


@pytest.mark.timeout(900)
def test_what_the_manual_says_makes_songs(cluster: Cluster):
    asked = ask(cluster, 3)
    eventually(lambda: all_made(cluster, asked), 120)
    assert "gpu0@gpu3" in cluster.told[-1], "tutti status, as the manual ends with"
    for gateway in ("gateway1", "gateway2"):
        with cluster.client(gateway) as client:
            assert client.get(f"/output/{asked[0]}.wav").status_code == 200


@pytest.mark.timeout(900)
def test_one_view_tells_each_host_s_state_and_its_cause(cluster: Cluster):
    well = {f"worker gpu{n}": "ready" for n in (1, 2, 3)} | {f"gateway gateway{n}": "ready" for n in (1, 2)}
    eventually(lambda: well.items() <= states(cluster).items(), 90, lambda: states(cluster))
    assert sorted(states(cluster)[f"dispatch web{n}"] for n in (1, 2)) == ["leads", "stands by"]
    eventually(lambda: not troubles(cluster), 60, lambda: troubles(cluster))
    with ExitStack() as faults:
        faults.enter_context(cluster["gpu1"].cut_from(cluster["db"]))
        faults.enter_context(cluster["gpu2"].without_nas())
        faults.enter_context(cluster["gpu3"].isolated())
        faults.enter_context(cluster["gateway2"].isolated())
        ill = {"worker gpu1": "no ledger", "worker gpu2": "no storage", "worker gpu3": "silent"}
        ill |= {"gateway gateway1": "ready", "gateway gateway2": "silent"}
        eventually(lambda: ill.items() <= states(cluster).items(), 120, lambda: states(cluster))
        said = "\n".join(troubles(cluster))
        assert "gpu0@gpu1: no ledger; it answers through the broker" in said
        assert "gpu0@gpu3: silent" in said
        assert "no worker takes jobs" in said
        printed = cluster["web1"].run("env", *cluster.environment(), "bash", "-c", f"{STATUS} || true")
        assert "no storage" in printed
        assert "no ledger" in printed
    eventually(lambda: well.items() <= states(cluster).items(), 120, lambda: states(cluster))
    eventually(lambda: not troubles(cluster), 60, lambda: troubles(cluster))


@pytest.mark.timeout(900)
def test_a_worker_without_its_broker_says_so_and_a_cordoned_one_takes_nothing(cluster: Cluster):
    with cluster["gpu1"].cut_from(cluster["broker"]):
        eventually(lambda: states(cluster)["worker gpu1"] == "no broker", 120, lambda: states(cluster))
    eventually(lambda: states(cluster)["worker gpu1"] == "ready", 120, lambda: states(cluster))
    run = ("env", *cluster.environment(), "bash", "-ec")
    cluster["web1"].run(*run, STATUS.replace("status", "cordon gpu0@gpu2"))
    eventually(lambda: states(cluster)["worker gpu2"] == "cordoned", 60, lambda: states(cluster))
    cluster["web1"].run(*run, STATUS.replace("status", "uncordon gpu0@gpu2"))
    eventually(lambda: states(cluster)["worker gpu2"] == "ready", 60, lambda: states(cluster))


STATUS = "TUTTI_CONFIG=/etc/tutti/tutti.toml tutti status"
