"""Every alert rule on a real Elasticsearch: silent on a good hour, fired by a bad one.

The hours are lived through: jobs end in a real ledger, the dispatcher's own reports write the lines, the
shipper delivers them, and each rule is asked as Kibana asks it.
"""

from __future__ import annotations

import datetime as dt
import json

import pytest

from nginx import certificate
from observability.elastic.setup import setup
from observability.kibana.rules import RULES
from observability.logging import configure, get_logger
from observability.panels.query import INDEX
from tasks.dispatch import service_report as standing
from tasks.dispatch.queue_report import QueueReport
from tasks.jobs import ErrorClass
from tasks.ledger import Ledger, QueueView
from tests import shipping
from tests.ledgers import Clock, new_job, register, song
from tests.servers import elasticsearch

BY_ID = {rule.id: rule for rule in RULES}
WORKERS = ("gpu0@a", "gpu1@a", "gpu0@b", "gpu1@b")
MISSING = {"unshipped", "no-dispatcher"}  # these fire when nothing comes
log = get_logger()


class Hour:
    """A ledger, its workers and the reports of its dispatcher."""

    def __init__(self, folder, forgotten=0.0):
        """Workers that come up `forgotten` seconds after a job that nobody makes."""
        folder.mkdir(parents=True)
        self.clock = Clock()
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", clock=self.clock)
        self.report = standing.ServiceReport()
        self.lost = set()
        if forgotten:
            self.ledger.submissions.accept(new_job()).result(30)
            self.clock.now += forgotten
        for worker in WORKERS:
            register(self.ledger, worker)

    def jobs(self, *, lane="stable", failures=0, number=6, slow=None):
        """Let every worker make some jobs; the first `failures` of each fail."""
        for worker in WORKERS:
            for at in range(number):
                job_id = self.ledger.submissions.accept(new_job(duration=60, lane=lane)).result(30).job.id
                job = self.ledger.workers.claim(job_id, worker, 1)
                self._pass(2.0 if worker != slow else 3.5)
                if at < failures:
                    assert self.ledger.workers.fail(
                        job_id, job.attempt, worker, 1, ErrorClass.ENGINE_CRASH, "so"
                    )
                else:
                    assert self.ledger.workers.finish(job_id, job.attempt, worker, 1, [song(job_id)])

    def _pass(self, seconds):
        self.clock.now += seconds
        for worker in set(WORKERS) - self.lost:
            assert self.ledger.workers.renew(worker, 1).alive

    def lose(self, worker, seconds):
        """Let a worker die, and the others live on for so long."""
        self.lost.add(worker)
        for _ in range(int(seconds / 8) + 2):
            self._pass(8)
            self.report.note(self.ledger.views.workers())
            self.ledger.dispatch.expire_workers()

    def look(self):
        """What the dispatcher does each minute."""
        self.report.note(self.ledger.views.workers())
        self.ledger.dispatch.expire_workers()
        self.report.log_due(self.ledger)


def beat(used, obstacle=None):
    storage = {"free_bytes": 1 << 30, "total_bytes": 1 << 40, "used_ratio": used}
    tutti = {"gpu": {"id": "gpu0@a"}, "worker": {"id": "gpu0@a", "obstacle": obstacle}, "storage": storage}
    log.info("worker.heartbeat", tutti=tutti)


def shipped(dead, age):
    log.info("shipper.shipped", tutti={"shipper": {"lines": {"dead": dead}, "unacknowledged_seconds": age}})


def refused(number):
    for _ in range(number):
        log.info("job.refused", source={"ip": "203.0.113.66"}, tutti={"reason": "rate_limited"})


def good(folder):
    hour = Hour(folder)
    hour.jobs(number=12)
    hour.jobs(lane="canary")
    hour.look()
    QueueReport().log_due([QueueView(name="sketch@1", waiting=3, oldest_seconds=9.0)])
    beat(used=0.6)
    shipped(dead=0, age=1.0)
    refused(150)
    certificate.log_days_left(61.0)
    hour.ledger.close()


def bad(folder):
    hour = Hour(folder, forgotten=3700)
    hour.jobs(number=14, failures=3, slow="gpu1@b")
    hour.jobs(lane="canary", failures=4)
    hour.lose("gpu0@b", 125)
    hour.look()
    QueueReport().log_due([QueueView(name="sketch@1", waiting=3, oldest_seconds=700.0)])
    beat(used=0.97)
    beat(used=0.5, obstacle="storage")
    shipped(dead=2, age=400.0)
    refused(210)
    certificate.log_days_left(9.5)
    hour.ledger.close()


def fired(server, rule, now):
    """Ask as Kibana's rule `.es-query` does; gives the groups (or "all") for which the rule fires."""
    params = rule.body("r")["params"]
    window = dt.timedelta(minutes=params["timeWindowSize"])
    within = {"range": {params["timeField"]: {"gte": now - window, "lte": now}}}
    query = {"bool": {"filter": [json.loads(params["esQuery"])["query"], within]}}
    (threshold,) = params["threshold"]
    compare = {">": int.__gt__, "<": int.__lt__}[params["thresholdComparator"]]
    if params["groupBy"] == "all":
        found = server.search(index=params["index"], query=query, size=0, track_total_hits=True)
        counts = {"all": found["hits"]["total"]["value"]}
    else:
        terms = {"terms": {"field": params["termField"], "size": params["termSize"]}}
        found = server.search(index=params["index"], query=query, size=0, aggs={"groups": terms})
        counts = {group["key"]: group["doc_count"] for group in found["aggregations"]["groups"]["buckets"]}
    return {group for group, count in counts.items() if compare(count, threshold)}


@pytest.fixture(scope="module")
def hours(tmp_path_factory):
    """What fires after a good hour, after a bad one, and when nothing has come for long."""
    folder = tmp_path_factory.mktemp("hours")
    seen = {}
    with elasticsearch.running() as node, node.client() as server:
        setup(server)
        for name, live in (("good", good), ("bad", bad)):
            configure("tutti-dispatch", folder / "log" / "worker.jsonl")
            try:
                live(folder / name)
            finally:
                configure("tutti-test", None, level="error")
            assert shipping.finish(node.url, str(folder / "log" / "*.jsonl"), folder / "state") == 0
            server.indices.refresh(index=INDEX)
            now = dt.datetime.now(dt.UTC)
            seen[name] = {rule.id: fired(server, rule, now) for rule in RULES}
        later = now + dt.timedelta(hours=1)
        seen["nothing"] = {rule.id: fired(server, rule, later) for rule in RULES}
    return seen


def test_no_rule_fires_on_a_good_hour(hours):
    assert {name: groups for name, groups in hours["good"].items() if groups} == {}


@pytest.mark.parametrize("name", sorted(set(BY_ID) - MISSING))
def test_a_rule_fires_on_a_bad_hour(hours, name):
    groups = {
        "oldest-queued": {"sketch@1"},
        "silent-heartbeat": {"gpu0@b"},
        "slow-gpu": {"gpu1@b"},
        "abnormal-address": {"203.0.113.66"},
    }
    if name == "unacknowledged":
        assert len(hours["bad"][name]) == 1
    else:
        assert hours["bad"][name] == groups.get(name, {"all"})


@pytest.mark.parametrize("name", sorted(MISSING))
def test_a_rule_about_silence_fires_when_nothing_comes(hours, name):
    assert hours["bad"][name] == set()
    assert hours["nothing"][name] == {"all"}
