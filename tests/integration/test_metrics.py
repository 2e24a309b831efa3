"""`/metrics` by promtool, and by a real Prometheus that is asked for every query we have."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import yaml
from starlette.testclient import TestClient

from observability import metrics
from observability.grafana.dashboard import PANELS
from tasks.ledger import Ledger, Vitals
from tasks.settings import Settings
from tests import ledgers, needs
from tests.servers.elasticsearch import free_port
from web.app import create_app

RULES = Path(__file__).parents[2] / "observability" / "prometheus" / "tutti.rules.yml"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
RECORDED = {rule["record"]: rule["expr"] for group in GROUPS for rule in group["rules"] if "record" in rule}
SHOWN = {title: query for title, _, queries in PANELS for query, _ in queries}


def check(text):
    command = [needs.program("promtool", package="prometheus"), "check", "metrics"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


@pytest.fixture
def web(tmp_path):
    with TestClient(
        create_app(Settings(data=tmp_path)), "http://127.0.0.1:8000", client=("127.0.0.1", 50000)
    ) as client:
        yield client


def test_promtool_finds_nothing_to_say_of_the_web_apps_metrics(web):
    done = check(web.get("/metrics").text)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_promtool_finds_nothing_to_say_of_what_workers_and_the_shipper_show():
    stop, port = metrics.serve(0)
    try:
        done = check(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
    finally:
        stop()
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_is_gone_is_not_shown_for_ever(web, tmp_path):
    job_id = web.post("/v1/jobs", json={"prompt": "a calm piano song"}).json()["id"]
    ledger = Ledger(Settings(data=tmp_path).ledger)
    epoch = ledgers.register(ledger, "gpu0@a")
    shown = web.get("/metrics").text
    assert re.search(r'tutti_queue_depth\{queue="[^"]+"\} 1.0', shown)
    assert 'tutti_worker_heartbeat_timestamp_seconds{worker="gpu0@a"}' in shown

    web.post(f"/v1/jobs/{job_id}/cancel")
    ledger.workers.retire("gpu0@a", epoch)
    ledger.close()
    deadline = time.monotonic() + 20
    while not re.search(r'tutti_queue_depth\{queue="[^"]+"\} 0.0', shown := web.get("/metrics").text):
        assert time.monotonic() < deadline, "an emptied queue is still waited in"
    assert 'tutti_worker_heartbeat_timestamp_seconds{worker="gpu0@a"}' not in shown


def ended_jobs(ledger):
    """A song, one that follows it, one from the cache, a cancel in the queue, and a worker lost for good."""
    leader, _follower = ledgers.accept(ledger, 2, seed=7)
    cancelled = ledgers.accept_one(ledger)
    epoch = ledgers.register(ledger, "gpu0@a")
    assert ledgers.run(ledger, leader, "gpu0@a", epoch)
    ledgers.accept_one(ledger, seed=7)
    ledger.submissions.cancel(cancelled)
    lost = ledgers.accept_one(ledger)
    for _ in range(3):
        assert ledger.workers.claim(lost, "gpu0@a", epoch)
        epoch = ledgers.register(ledger, "gpu0@a")  # it starts again and knows nothing of its run
    return epoch


def test_one_machines_metrics_tell_of_all_its_parts_and_of_no_others(web, tmp_path):
    with Ledger(Settings(data=tmp_path).ledger) as ledger:
        epoch = ended_jobs(ledger)
        ledger.workers.renew("gpu0@a", epoch, vitals=Vitals(gpu_busy=0.25, gpu_memory_used=2**30))
        shown = web.get("/metrics").text
    assert 'tutti_jobs_total{error_class="",ours="",state="succeeded"} 3.0' in shown
    assert 'tutti_jobs_total{error_class="cancelled_by_user",ours="false",state="cancelled"} 1.0' in shown
    assert 'tutti_jobs_total{error_class="worker_lost",ours="true",state="failed"} 1.0' in shown
    assert 'tutti_gpu_busy_ratio{gpu="gpu0@a"} 0.25' in shown
    assert 'tutti_jobs_running{gpu="gpu0@a"} 0.0' in shown
    for elsewhere in ("tutti_batch_size", "tutti_stage_seconds", "tutti_shipper", "tutti_dispatcher_leads"):
        assert elsewhere not in shown
    done = check(shown)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_where_workers_show_their_own_metrics_the_web_app_counts_no_end_of_theirs(tmp_path):
    settings = Settings(data=tmp_path, worker_metrics_port=9109)
    with (
        TestClient(create_app(settings), client=("127.0.0.1", 50000)) as web,
        Ledger(settings.ledger) as ledger,
    ):
        before = web.get("/metrics").text
        ended_jobs(ledger)
        shown = web.get("/metrics").text
    counts = [
        [line for line in text.splitlines() if line.startswith("tutti_jobs_total")]
        for text in (before, shown)
    ]
    assert counts[0] == counts[1]
    assert "tutti_gpu_busy_ratio" not in shown


@pytest.mark.parametrize("part", ["WORKER", "DISPATCH", "SHIP", "WEB"])
def test_each_part_serves_its_own_metrics_alone_and_promtool_has_nothing_to_say(part):
    registry = getattr(metrics, part)
    stop, port = metrics.serve(0, registry=registry)
    try:
        shown = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    finally:
        stop()
    only = {
        "WORKER": "tutti_batch_size",
        "DISPATCH": "tutti_dispatcher_leads",
        "SHIP": "tutti_shipper_dead_letters_total",
        "WEB": "tutti_jobs_accepted_total",
    }
    assert {name for name, metric in only.items() if f"# TYPE {metric} " in shown} == {part}
    assert "process_cpu_seconds_total" in shown
    done = check(shown)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def touch():
    """Every metric with some labels, as a Tutti at work has them."""
    for end in (("succeeded", "", ""), ("failed", "internal", "true")):
        metrics.jobs.labels(*end).inc()
    metrics.jobs_refused.labels("rate_limited").inc()
    metrics.queue_depth.labels("sketch@1").set(2)
    metrics.oldest_queued_seconds.labels("sketch@1").set(5)
    metrics.worker_heartbeat_timestamp_seconds.labels("gpu0@a").set_to_current_time()
    for gauge in (metrics.gpu_busy_ratio, metrics.gpu_memory_bytes):
        gauge.labels("gpu0@a").set(0.5)
    metrics.stage_seconds.labels("denoise").observe(1)
    for histogram in (metrics.queue_wait_seconds, metrics.realtime_factor, metrics.batch_size):
        histogram.observe(2)
    metrics.storage_write_seconds.observe(0.1)
    metrics.storage_errors.labels("storage_full").inc()
    metrics.cache_requests.labels("hit").inc()
    metrics.shipper_lines.labels("delivered").inc()


class Prometheus:
    """A real one on loopback that reads this process."""

    def __init__(self, folder, target):
        self.port = free_port()
        scrape = {"job_name": "tutti", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
        config = {"scrape_configs": [scrape], "rule_files": [str(RULES)]}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        command = [needs.program("prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def ready(self):
        return httpx.get(f"http://127.0.0.1:{self.port}/-/ready", timeout=30).status_code == 200

    def ask(self, query):
        answer = httpx.get(f"http://127.0.0.1:{self.port}/api/v1/query", params={"query": query}, timeout=30)
        assert answer.status_code == 200, (query, answer.text)
        return answer.json()["data"]["result"]

    def until(self, query, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.ready and self.ask(query):
                    return
            except httpx.TransportError:
                assert self.process.poll() is None
            assert time.monotonic() < deadline, query
            time.sleep(0.2)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    touch()
    stop, port = metrics.serve(0)
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{port}")
    try:
        server.until("count_over_time(tutti_jobs_total[5m]) >= 2")
        touch()
        server.until('increase(tutti_jobs_total{state="failed"}[5m]) > 0')
        yield server
    finally:
        server.process.terminate()
        server.process.wait(30)
        stop()


def written_out(query):
    """The query with the recording rules' own expressions: they are worked out only twice a minute."""
    for name, expression in RECORDED.items():
        query = re.sub(rf"{re.escape(name)}(?![\w:])", f"({expression})".replace("\\", r"\\"), query)
    return written_out(query) if any(name in query for name in RECORDED) else query


@pytest.mark.parametrize("title", SHOWN)
def test_prometheus_answers_every_panel_of_the_grafana_dashboard(prometheus, title):
    found = prometheus.ask(written_out(SHOWN[title]))
    assert found, "an empty panel"
    assert all(sample["value"][1] != "NaN" for sample in found)
