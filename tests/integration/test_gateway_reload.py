"""Reloads and deaths under load: a fresh connection is answered, and with one retry nothing is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.servers.gateway import standing, until
from tests.servers.gateway_load import Load, reload_often, under_load


def test_no_fresh_connection_fails_through_reloads_and_two_deaths(tmp_path: Path) -> None:
    def happening(loads: list[Load]) -> None:
        reload_often(house, loads, 4)
        house.nodes.pop("n1").kill()
        reload_often(house, loads, 4)
        house.nodes.pop("n2").kill()
        reload_often(house, loads, 4)

    with standing(tmp_path, nodes=3, rate_limit="off") as house:
        loads = under_load(house, happening)
        total = sum((load.statuses for load in loads), Counter())
        assert set(total) == {200, 202}, total
        assert total.total() > 200
        for key in (key for load in loads for key in load.keys):
            assert (tmp_path / f"job-{key}").exists(), key


def test_on_kept_connections_one_retry_loses_nothing(tmp_path: Path) -> None:
    with standing(tmp_path, nodes=2, rate_limit="off") as house:
        loads = under_load(house, lambda loads: reload_often(house, loads, 6), reuse=True)
        total = sum((load.statuses for load in loads), Counter())
        assert set(total) <= {200, 202, "RemoteProtocolError", "ReadError", "WriteError"}, total
        for key in (key for load in loads for key in load.keys):
            assert (tmp_path / f"job-{key}").exists(), key


def test_a_post_in_flight_goes_to_the_next_node_only_with_an_idempotency_key(tmp_path: Path) -> None:
    with standing(tmp_path, nodes=3, rate_limit="off") as house, house.client() as client:
        die = {"X-Test-Die": "1"}
        (tmp_path / "die").touch()
        kept = client.post("/v1/jobs", headers={**die, "Idempotency-Key": "k"})
        assert (kept.status_code, (tmp_path / "died").exists()) == (202, True)
        assert (tmp_path / "job-k").read_text() == f"{kept.json()['node']}\n"
        (tmp_path / "die").touch()
        lost = client.post("/v1/jobs", headers=die)
        assert lost.status_code == 503
        assert client.post("/v1/jobs", headers=die).status_code == 202


def test_old_workers_end_in_bounded_time_though_streams_stay_open(tmp_path: Path) -> None:
    with standing(tmp_path, drain_seconds=1) as house, house.client() as client:
        before = house.generations()
        with client.stream("GET", "/v1/jobs/a/events?count=1000&every=0.1") as stream:
            assert stream.status_code == 200
            house.tell({"address": house.nodes["n1"].address, "weight": 2})
            until(lambda: house.generations() - before, "new workers of nginx")
            until(lambda: not house.generations() & before, "the old workers ended")


def test_a_configuration_that_nginx_refuses_changes_nothing(tmp_path: Path) -> None:
    with standing(tmp_path) as house, house.client() as client:
        house.tell({"address": "no-such-host.invalid:1"})
        until(
            lambda: "gateway.refused" in (house.data / "log/nginx.jsonl").read_text(), "the refusal is logged"
        )
        assert client.get("/v1/jobs").json()["node"] == "n1"
        assert not list((house.data / "run/nginx").glob("nginx.conf.*"))


def test_the_gateway_goes_on_when_nobody_can_tell_the_nodes(tmp_path: Path) -> None:
    with standing(tmp_path) as house, house.client() as client:
        (tmp_path / "backends").write_text("not JSON")
        until(
            lambda: "gateway.blind" in (house.data / "log/nginx.jsonl").read_text(), "the failure is logged"
        )
        assert client.get("/v1/jobs").json()["node"] == "n1"
        house.tell({"address": house.nodes["n1"].address}, {"address": house.add_node("n2").address})
        until(
            lambda: client.get("/v1/x", headers={"Connection": "close"}).json()["node"] == "n2", "n2 serves"
        )
