"""One view of all parts: each has a state of its own, and its cause in words."""

from __future__ import annotations

import pytest

from tasks import cluster
from tasks.cluster import SILENT_SECONDS, STATES, PartState, Reporter
from tasks.ledger import Ledger, PartReport, WorkerInfo
from tests.ledgers import Clock

LEASE = 10.0


def worker(ledger: Ledger, name: str = "gpu0@one") -> int:
    info = WorkerInfo(id=name, node=name.split("@")[1], queues=("tone@1",), engine="tone", model_version="1")
    return ledger.workers.register(info)


def say(ledger: Ledger, kind: str, node: str, state: str, reason: str | None = None, **facts: object) -> bool:
    name = f"gpu0@{node}" if kind == "worker" else f"{kind} {node} 1"
    report = PartReport(id=name, kind=kind, node=node, version="1.0", state=state, reason=reason, facts=facts)
    return ledger.parts.record(report, SILENT_SECONDS)


def only(ledger: Ledger, kind: str, here: tuple[str, ...] = ()) -> PartState:
    (found,) = cluster.survey(ledger, lambda _: here).of(kind)
    return found


def test_a_cluster_where_all_is_well_has_no_trouble(ledger: Ledger) -> None:
    worker(ledger)
    for kind, state in (("gateway", "ready"), ("web", "ready"), ("dispatch", "leads"), ("worker", "ready")):
        say(ledger, kind, "one", state)
    seen = cluster.survey(ledger)
    assert (seen.troubles, seen.broker) == ([], "answers")
    assert {part.kind for part in seen.parts} == set(STATES)
    assert seen.count("worker") == dict.fromkeys(STATES["worker"], 0) | {"ready": 1}


@pytest.mark.parametrize("state", ["loading", "no broker", "no storage", "no engine"])
def test_a_worker_says_itself_what_it_lacks(ledger: Ledger, state: str) -> None:
    worker(ledger)
    say(ledger, "worker", "one", state, "because")
    assert (only(ledger, "worker").state, only(ledger, "worker").reason) == (state, "because")


def test_who_is_silent_in_the_ledger_may_answer_through_the_broker(ledger: Ledger, clock: Clock) -> None:
    worker(ledger)
    say(ledger, "worker", "one", "ready")
    clock.now += LEASE + 1
    assert only(ledger, "worker").state == "silent"
    cut = only(ledger, "worker", ("gpu0@one",))
    assert (cut.state, cut.well) == ("no ledger", False)
    assert "through the broker" in str(cut.reason)


def test_a_worker_that_was_told_to_end_drains_and_one_that_has_ended_is_not_missed(ledger: Ledger) -> None:
    epoch = worker(ledger)
    ledger.workers.leave("gpu0@one", epoch)
    assert only(ledger, "worker").state == "draining"
    ledger.workers.retire("gpu0@one", epoch)
    assert cluster.survey(ledger).of("worker") == []


def test_a_cordoned_worker_stays_so_over_its_restarts(ledger: Ledger) -> None:
    worker(ledger)
    assert not ledger.parts.cordon("gpu0@one", True), "nobody knows it yet"
    say(ledger, "worker", "one", "ready")
    assert ledger.parts.cordon("gpu0@one", True)
    assert say(ledger, "worker", "one", "ready"), "it hears so with its next word"
    assert only(ledger, "worker").state == "cordoned"
    ledger.parts.leave("gpu0@one")
    worker(ledger)
    assert say(ledger, "worker", "one", "ready")
    assert ledger.parts.cordon("gpu0@one", False)
    assert only(ledger, "worker").state == "ready"


def test_a_part_that_says_nothing_is_silent_until_another_stands_in_its_place(
    ledger: Ledger, clock: Clock
) -> None:
    say(ledger, "web", "one", "ready")
    clock.now += SILENT_SECONDS + 1
    silent = only(ledger, "web")
    assert (silent.state, silent.well) == ("silent", False)
    again = PartReport(id="web one 2", kind="web", node="one", version="1.0", state="ready")
    ledger.parts.record(again, SILENT_SECONDS)
    assert only(ledger, "web").state == "ready"


def test_the_broker_is_what_the_active_dispatcher_says_of_it(ledger: Ledger, clock: Clock) -> None:
    assert "no dispatcher leads" in cluster.survey(ledger).broker
    say(ledger, "dispatch", "one", "stands by")
    assert any("no dispatcher leads" in trouble for trouble in cluster.survey(ledger).troubles)
    say(ledger, "dispatch", "one", "no broker", "jobs wait in the ledger: refused")
    seen = cluster.survey(ledger)
    assert seen.broker == "jobs wait in the ledger: refused"
    assert not any("no dispatcher leads" in trouble for trouble in seen.troubles)


def test_storage_is_told_by_machine_and_versions_are_compared(ledger: Ledger) -> None:
    say(ledger, "web", "one", "ready", storage={"free_bytes": 1, "total_bytes": 2})
    say(ledger, "gateway", "two", "ready")
    newer = PartReport(id="web three 1", kind="web", node="three", version="2.0", state="ready")
    ledger.parts.record(newer, SILENT_SECONDS)
    seen = cluster.survey(ledger)
    assert seen.storage == {"one": {"free_bytes": 1, "total_bytes": 2}}
    assert "different versions at once: 1.0, 2.0" in seen.troubles


def test_a_part_speaks_at_once_when_something_changes_and_seldom_else(ledger: Ledger, clock: Clock) -> None:
    reporter = Reporter(ledger, "web", "one")
    reporter.report("ready")
    (first,) = ledger.parts.all()
    clock.now += 1
    reporter.report("ready")
    assert ledger.parts.all() == [first]
    reporter.report("unwell", "the ledger's disk is full")
    (second,) = ledger.parts.all()
    assert (second.state, second.reason, second.seen_at) == ("unwell", "the ledger's disk is full", clock.now)
    reporter.leave()
    assert ledger.parts.all() == []
