"""Reloads and deaths under load: a fresh connection is answered, and with one retry nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.servers.front import Front, standing_front
from tests.servers.gateway import generations, standing, until
from tests.servers.gateway_load import Load, under_load, wait_for_more

RELOADS = 102


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Three real web nodes behind a real gateway."""
    with standing_front(tmp_path, trusted_proxies="127.0.0.1") as built:
        built.start_node("third", "n3")
        nodes = {built.direct_port, built.ports["n3"]}
        config = built.data / "run/nginx/nginx.conf"
        until(lambda: all(f":{port}" in config.read_text() for port in nodes), "three nodes behind nginx")
        yield built


def reload_now(front: Front) -> None:
    """Send SIGHUP, which is not debounced, and wait until nginx has new workers."""
    before = generations(front.data)
    front.processes["gateway"].send_signal(signal.SIGHUP)
    until(lambda: generations(front.data) - before, "new workers of nginx")


@pytest.mark.timeout(900)  # a hundred reloads are slow where others use the machine
def test_through_100_reloads_and_two_deaths_nothing_is_lost(front: Front) -> None:
    """On fresh connections nothing fails at all; on kept ones nothing is lost with one retry."""

    def happening(loads: Sequence[Load]) -> None:
        for count in range(RELOADS):
            if name := {RELOADS // 3: "port", 2 * RELOADS // 3: "third"}.get(count):
                front.processes.pop(name).kill()
            reload_now(front)
            wait_for_more(loads, 2)

    loads = under_load(front, happening, fresh=4, kept=2, pause=0.02)
    for load in loads:
        assert set(load.statuses) == ({200} if load.number % 2 else {202}), load.statuses
        assert load.reuse or not load.sent_again
    jobs = [job for load in loads for job in load.jobs]
    assert len(jobs) > RELOADS
    assert len(set(jobs)) == len(jobs) == front.ledger.views.counters()["queued"], (
        "none lost and none doubled"
    )


def test_the_load_notices_what_is_lost(tmp_path: Path) -> None:
    """The control: with every node dead the same load counts failures, on fresh and on kept connections."""
    with standing(tmp_path, nodes=1, rate_limit="off") as house:

        def happening(loads: Sequence[Load]) -> None:
            wait_for_more(loads)
            house.nodes["n1"].kill()
            until(lambda: all(503 in load.statuses for load in loads), "every client was refused")

        under_load(house, happening, fresh=2, kept=2)


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
