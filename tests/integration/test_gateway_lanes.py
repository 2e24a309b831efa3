"""Long answers, lanes, affinity: what the gateway tells the web node about a request."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.servers.gateway import House, standing, until


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory):
    with standing(tmp_path_factory.mktemp("lanes"), rate_limit="off") as built:
        yield built


def lane(house: House, source: str = "127.0.0.1", **sent: str) -> str:
    with house.client(source, cookies={"tutti_lane": sent.pop("cookie", "")}) as client:
        return client.post("/v1/jobs", headers=sent).json()["headers"]["x-tutti-lane"]


def test_without_a_canary_every_job_is_stable(open_house: House) -> None:
    assert lane(open_house) == "stable"
    assert lane(open_house, **{"X-Tutti-Lane": "canary"}, cookie="canary") == "stable"


def test_a_share_of_the_clients_goes_to_the_canary_and_stays_there(tmp_path: Path) -> None:
    with standing(tmp_path, canary=30.0, rate_limit="off") as built:
        first = [lane(built, f"127.3.0.{n}") for n in range(1, 201)]
        again = [lane(built, f"127.3.0.{n}") for n in range(1, 21)]
        assert 35 <= first.count("canary") <= 85
        assert again == first[:20]
        stable, canary = (f"127.3.0.{first.index(name) + 1}" for name in ("stable", "canary"))
        assert lane(built, stable, **{"X-Tutti-Lane": "canary"}) == "canary"
        assert lane(built, canary, **{"X-Tutti-Lane": "stable"}) == "stable"
        assert lane(built, stable, cookie="canary") == "canary"
        assert lane(built, canary, cookie="stable") == "stable"
        assert lane(built, stable, **{"X-Tutti-Lane": "canary"}, cookie="stable") == "canary"
        assert lane(built, stable, **{"X-Tutti-Lane": "nonsense"}) == "stable"
        assert built.line(source__ip=canary, tutti__lane="canary")
        built.tell({"address": built.nodes["n1"].address}, canary=0.0)
        until(lambda: lane(built, canary) == "stable", "the canary ended without a restart")


def test_the_preferred_node_reaches_the_app_where_it_is_a_name(open_house: House) -> None:
    def told(name: str) -> str:
        with open_house.client() as client:
            return (
                client.post("/v1/jobs", headers={"X-Preferred-Node": name})
                .json()["headers"]
                .get("x-preferred-node", "")
            )

    assert told("gpu-07") == "gpu-07"
    assert [told(bad) for bad in ("../x", "GPU", "a b", "-a", "x" * 80)] == [""] * 5


def test_events_leave_as_they_are_made(open_house: House) -> None:
    with open_house.client() as client, client.stream("GET", "/v1/jobs/a/events?count=3&every=0.3") as stream:
        came = [(time.monotonic(), line) for line in stream.iter_lines() if line]
    assert [line for _, line in came] == ["data: 0", "data: 1", "data: 2"]
    assert came[2][0] - came[0][0] > 0.3  # buffered, they would come together at the end


def test_a_body_reaches_the_app_whole_and_a_large_one_too(open_house: House) -> None:
    with open_house.client() as client:
        for path, size in (("/v1/jobs", 3), ("/v1/jobs", 65_536), ("/v1/uploads", 5_000_000)):
            assert client.post(path, content=b"x" * size).json()["bytes"] == size


def test_ip_hash_keeps_a_client_on_its_node(tmp_path: Path) -> None:
    with standing(tmp_path, nodes=3, balance="ip_hash") as built, built.client("127.9.8.7") as client:
        assert len({client.get("/v1/x").json()["node"] for _ in range(12)}) == 1


def test_weights_share_the_load_and_a_backup_waits(tmp_path: Path) -> None:
    with standing(tmp_path, nodes=3, balance="round_robin") as built, built.client() as client:
        one, two, three = (built.nodes[name].address for name in ("n1", "n2", "n3"))
        states = {"address": one, "weight": 3}, {"address": two}, {"address": three, "backup": True}

        def shares() -> list[int]:
            nodes = [client.get("/v1/x", headers={"Connection": "close"}).json()["node"] for _ in range(24)]
            return [nodes.count(name) for name in ("n1", "n2", "n3")]

        built.tell(*states)
        until(lambda: shares()[2] == 0, "the new weights")
        heavy, light, backup = shares()
        assert heavy > light > 0
        assert backup == 0
        built.nodes["n1"].kill()
        built.nodes["n2"].kill()
        until(lambda: client.get("/v1/x").json().get("node") == "n3", "the backup answers")


def test_an_unwell_node_gets_nothing_until_it_is_well(tmp_path: Path) -> None:
    with standing(tmp_path, nodes=2) as built, built.client() as client:
        one, two = built.nodes["n1"].address, built.nodes["n2"].address

        def nodes() -> set[str]:
            return {client.get("/v1/x", headers={"Connection": "close"}).json()["node"] for _ in range(10)}

        assert nodes() == {"n1", "n2"}
        built.tell({"address": one, "healthy": False}, {"address": two})
        until(lambda: nodes() == {"n2"}, "n1 left")
        built.tell({"address": one}, {"address": two})
        until(lambda: nodes() == {"n1", "n2"}, "n1 came back")
