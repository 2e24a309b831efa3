"""The rules of Prometheus on a real cluster: silent while it is busy, and loud when hosts are gone."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests import needs
from tests.cluster.cluster import Cluster
from tests.cluster.test_taking import all_made, ask
from tests.servers.gateway import free_port
from tests.servers.parent import bound
from tests.servers.workers import ROOT, eventually

RULES = ROOT / "observability" / "prometheus" / "tutti.rules.yml"
CONFIGURATION = """
global: {{scrape_interval: 2s, evaluation_interval: 2s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: tutti-web
    authorization: {{credentials: {key}}}
    static_configs: [{{targets: ["{web1}:8001", "{web2}:8001"]}}]
  - job_name: tutti-worker
    static_configs: [{{targets: ["{gpu1}:9109", "{gpu2}:9109", "{gpu3}:9109"]}}]
  - job_name: tutti-dispatch
    static_configs: [{{targets: ["{web1}:9110", "{web2}:9110"]}}]
"""


@pytest.fixture
def prometheus(cluster: Cluster, tmp_path: Path) -> Iterator[httpx.Client]:
    """A Prometheus that knows the rules, but waits seconds where they say minutes."""
    rules = tmp_path / "rules.yml"
    rules.write_text(re.sub(r"\bfor: \d+m", "for: 6s", RULES.read_text()))
    addresses = {name: host.address for name, host in cluster.network.hosts.items()}
    (tmp_path / "prometheus.yml").write_text(CONFIGURATION.format(rules=rules, key=cluster.key, **addresses))
    port = free_port()
    command = [needs.program("prometheus"), f"--config.file={tmp_path / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "prometheus.log").open("wb") as log:
        server = subprocess.Popen(bound(command), stderr=log, stdout=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30) as client:
            eventually(lambda: number(client, "max(tutti_workers)") is not None, 90)
            yield client
    finally:
        server.terminate()
        server.wait(20)


def number(prometheus: httpx.Client, query: str) -> float | None:
    """What a query gives; None while Prometheus has just begun, which it says by 503."""
    try:
        answer = prometheus.get("/query", params={"query": query})
    except httpx.HTTPError:
        return None
    if answer.status_code == 503:
        return None
    found = answer.json()["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def firing(prometheus: httpx.Client) -> set[str]:
    alerts = prometheus.get("/alerts").json()["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest.mark.timeout(900)
def test_alerts_are_silent_on_a_busy_cluster_and_fire_on_one_that_is_ill(
    cluster: Cluster, prometheus: httpx.Client
):
    seen: set[str] = set()
    until = time.monotonic() + 30  # five times as long as a rule waits
    while time.monotonic() < until:
        asked = ask(cluster, 8)
        eventually(lambda asked=asked: all_made(cluster, asked), 120)
        seen |= firing(prometheus)
    assert seen == set()
    assert number(prometheus, 'max(tutti_queue_depth{queue="tone@1"})') is not None
    assert number(prometheus, 'max(tutti_workers{state="ready"})') == 3
    assert number(prometheus, "max(sum by (instance) (tutti_worker_slots))") == 12  # of one scrape

    with ExitStack() as faults:
        for name in ("gpu1", "gpu2", "gpu3", "gateway2"):
            faults.enter_context(cluster[name].isolated())
        cluster.parts["web1 dispatch"].kill()
        cluster.parts["web2 dispatch"].kill()
        loud = {"TuttiNoWorker", "TuttiWorkerUnwell", "TuttiNoDispatcher", "TuttiPartUnwell"}
        eventually(lambda: loud <= firing(prometheus), 150, lambda: firing(prometheus))
    for name in cluster.commands:
        cluster.start(name)
    eventually(lambda: not firing(prometheus) & loud, 150, lambda: firing(prometheus))
