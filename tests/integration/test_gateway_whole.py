"""From nginx to the worker and back, with all parts running: long waits, and the node a session prefers."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tasks.dispatch.maintenance import AFFINITY_SECONDS
from tasks.jobs import JobState
from tests.servers import whole
from tests.servers.gateway import standing
from tests.servers.whole import WISH, Whole
from tests.servers.workers import Part, eventually

TIMEOUT = 1  # seconds that nginx waits for a node's next word here, in place of 300
FAR = {"X-Preferred-Node": "far"}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    options = {"upstream_timeout": TIMEOUT, "deadline_seconds": 10, "lease_seconds": 5}
    with whole.standing(tmp_path_factory.mktemp("patient"), **options) as built:
        built.system.start_worker()
        yield built


def test_a_client_that_waits_on_generate_outlives_the_read_timeout(patient: Whole, tmp_path: Path) -> None:
    go, began = tmp_path / "go", time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        wish = WISH | {"prompt": f"a tone until={go}"}
        waiting = beside.submit(patient.client.post, "/generate", json=wish)
        eventually(lambda: waiting.done() or time.monotonic() - began > 6 * TIMEOUT)
        assert not waiting.done(), waiting.result().text
        go.touch()
        answer = waiting.result(60)
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded"), answer.text
    assert patient.client.get(answer.json()["url"]).status_code == 200


def test_the_job_reaches_its_deadline_before_the_client_is_cut(patient: Whole) -> None:
    answer = patient.client.post("/generate", json=WISH | {"prompt": "let it hang here"})
    assert answer.json()["type"] == "/problems/job_failed", answer.text
    assert answer.json()["error_class"] == "deadline"


def test_any_other_answer_is_cut_at_the_read_timeout(tmp_path: Path) -> None:
    """The control: without its own time /generate would be cut, too."""
    with standing(tmp_path, upstream_timeout=TIMEOUT, rate_limit="off") as house, house.client() as client:
        assert client.post(f"/v1/jobs?pause={TIMEOUT + 2}").status_code == 504
        assert client.post(f"/generate?pause={TIMEOUT + 2}").status_code == 202


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with whole.standing(tmp_path_factory.mktemp("two"), lease_seconds=4) as built:
        built.system.start_worker()
        yield built


@pytest.fixture(scope="module")
def far(two_nodes: Whole) -> Part:
    """The worker of another machine; web knows it when a job that prefers it joins its queue."""
    worker = two_nodes.system.start_worker(node="far")
    eventually(lambda: two_nodes.job(two_nodes.ask(**FAR)).queue == "node.far")
    return worker


def made_by(whole: Whole, job_id: str) -> str:
    job = whole.system.wait(job_id)
    assert job.state is JobState.SUCCEEDED, job
    return str(job.worker)


def test_jobs_go_to_the_preferred_node_while_it_lives(two_nodes: Whole, far: Part) -> None:
    asked = [two_nodes.ask(**FAR) for _ in range(8)]
    assert {made_by(two_nodes, job) for job in asked} == {"gpu0@far"}


def test_the_token_of_an_answer_leads_to_the_same_node(two_nodes: Whole, far: Part) -> None:
    for node in ("far", "box"):
        job = two_nodes.ask(**{"X-Preferred-Node": node})
        assert made_by(two_nodes, job) == f"gpu0@{node}"
        token = two_nodes.client.get(f"/v1/jobs/{job}").headers["x-session-token"]
        asked = [two_nodes.ask(**{"X-Session-Token": token}) for _ in range(6)]
        assert {made_by(two_nodes, job) for job in asked} == {f"gpu0@{node}"}
        forged = two_nodes.ask(**{"X-Session-Token": token[:-3] + "abc"})
        assert two_nodes.job(forged).queue == "tone@1"


def test_a_job_that_the_preferred_node_does_not_take_is_made_elsewhere_after_seconds(
    two_nodes: Whole, far: Part, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    held = [two_nodes.ask(f"a tone until={go}", **FAR) for _ in range(4)]  # as many as it makes at once
    eventually(lambda: all(two_nodes.job(job).state is JobState.RUNNING for job in held))
    assert {two_nodes.job(job).worker for job in held} == {"gpu0@far"}
    late = two_nodes.ask(**FAR)
    assert two_nodes.job(late).queue == "node.far"
    assert made_by(two_nodes, late) == "gpu0@box"
    assert two_nodes.job(late).timings.queue > AFFINITY_SECONDS - 0.5
    go.touch()
    assert {made_by(two_nodes, job) for job in held} == {"gpu0@far"}


def test_jobs_that_wait_for_a_node_that_died_are_made_elsewhere(
    two_nodes: Whole, far: Part, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    held = [two_nodes.ask(f"a tone until={go}", **FAR) for _ in range(4)]
    eventually(lambda: all(two_nodes.job(job).state is JobState.RUNNING for job in held))
    waiting = [two_nodes.ask(**FAR) for _ in range(3)]
    assert far.end(signal.SIGKILL) == -signal.SIGKILL
    go.touch()
    assert {made_by(two_nodes, job) for job in [*held, *waiting]} == {"gpu0@box"}
    eventually(lambda: two_nodes.job(two_nodes.ask(**FAR)).queue == "tone@1")


def test_the_gateway_was_reloaded_for_none_of_this(two_nodes: Whole) -> None:
    log = two_nodes.system.settings.log_path / "nginx.jsonl"
    assert "gateway.reloaded" not in log.read_text()


def test_events_come_through_nginx_one_by_one(patient: Whole, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = patient.ask(f"a tone until={go}")
    kinds: list[str] = []
    with httpx.stream("GET", f"{patient.client.base_url}/v1/jobs/{job}/events", timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kinds.append(line.removeprefix("event: "))
                if kinds[-1] == "running":
                    go.touch()  # only what has arrived already can lead to the end
    assert kinds[-1] == "succeeded"
    assert "running" in kinds
