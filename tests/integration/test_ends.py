"""Every way in which a job can end leaves one log line and one count, whichever process knows of it."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from observability import metrics
from tasks.ends import counted
from tasks.jobs import ErrorClass, JobRequest, JobState, new_job_id
from tasks.ledger import NewJob
from tests.servers import workers
from tests.servers.gateway import free_port
from tests.servers.workers import TRACEPARENT, Part, System, eventually

ACTIONS = {"job.succeeded", "job.failed", "job.cancelled"}
End = tuple[str, str, str]


def ends_of(*ports: int) -> Counter[End]:
    """What the processes' counters say in all."""
    found: Counter[End] = Counter()
    for port in ports:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "tutti_jobs_total":
                    found[tuple(sample.labels[name] for name in metrics.END)] += int(sample.value)
    return found


def lines(system: System, job_id: str | None = None) -> list[dict]:
    """The log lines of ends, of all parts, or those of one job."""
    files = sorted(system.settings.log_path.glob("*.jsonl"))
    every = (orjson.loads(line) for path in files for line in path.read_bytes().splitlines())
    ends = [line for line in every if line["event"].get("action") in ACTIONS]
    return [line for line in ends if job_id in {None, line["tutti"]["job"]["id"]}]


def end_in_the_queue(system: System) -> tuple[str, str]:
    """A cancel and a deadline while nobody works."""
    cancelled = system.submit()
    system.ledger.submissions.cancel(cancelled)
    late = new_job_id("a")
    request = JobRequest(prompt="a plain tone", duration=5)
    new = NewJob(id=late, request=request, model_queue="tone@1", traceparent=TRACEPARENT, start_within=0.2)
    system.ledger.submissions.accept(new).result(30)
    system.wait(late)
    return cancelled, late


def lose_all_workers(system: System, never: Path, attempts: int) -> str:
    """A job whose every worker dies; none of them has counted anything before."""
    job_id = system.submit(f"until={never}")
    for _ in range(attempts):
        worker = system.start_worker()
        system.wait(job_id, JobState.RUNNING)
        child = worker.child
        worker.end(signal.SIGKILL)
        child.kill()
        eventually(lambda: system.job(job_id).state is not JobState.RUNNING)
    system.wait(job_id)
    return job_id


def lead_and_follow(system: System, go: Path) -> tuple[str, str]:
    """One run for two equal requests."""
    leader = system.submit(f"until={go}", seed=7)
    follower = system.submit(f"until={go}", seed=7)
    system.wait_for_stage(leader)
    go.touch()
    for job_id in (leader, follower):
        system.wait(job_id)
    return leader, follower


def ask_again(port: int, go: Path) -> str:
    """A request for a song that is there."""
    asked = {"prompt": f"until={go}", "duration": 5, "seed": 7}
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/jobs", json=asked, timeout=30)
    assert (answer.status_code, answer.json()["state"]) == (202, "succeeded"), answer.text
    return str(answer.json()["id"])


def cancel_running(system: System, never: Path) -> str:
    job_id = system.submit(f"until={never}")
    system.wait_for_stage(job_id)
    system.ledger.submissions.cancel(job_id)
    system.wait(job_id)
    return job_id


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("port", "worker_metrics_port", "dispatch_metrics_port")}


def _start_web(system: System, port: int) -> Part:
    part = system.start("web")

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    eventually(answers)
    return part


def test_each_way_of_ending_leaves_one_line_and_one_count(tmp_path: Path, ports: dict[str, int]) -> None:
    go, never, attempts = tmp_path / "go", tmp_path / "never", 2
    chosen = {"max_attempts": attempts, "deadline_seconds": 8, "rate_limit": "off", "gateway": "off", **ports}
    with workers.running(tmp_path / "cell", **chosen) as system:
        _start_web(system, ports["port"])
        ways = dict(zip(("cancelled queued", "deadline queued"), end_in_the_queue(system), strict=True))
        ways["worker lost"] = lose_all_workers(system, never, attempts)
        system.start_worker()
        ways |= zip(("succeeded", "follower"), lead_and_follow(system, go), strict=True)
        ways["cache"] = ask_again(ports["port"], go)
        ways["cancelled running"] = cancel_running(system, never)
        for name, prompt in (("deadline running", "a hang tone"), ("quarantine", "a crash tone")):
            ways[name] = system.submit(prompt)
            system.wait(ways[name])

        eventually(lambda: {line["tutti"]["job"]["id"] for line in lines(system)} == set(ways.values()))
        told = {
            name: [line for line in lines(system) if line["tutti"]["job"]["id"] == job]
            for name, job in ways.items()
        }
        assert {name: len(found) for name, found in told.items()} == dict.fromkeys(ways, 1)

        expected: Counter[End] = Counter()
        for name, (line,) in told.items():
            job = system.job(ways[name])
            error = job.error.error_class if job.error else None
            assert line["event"]["action"] == f"job.{job.state}"
            assert line["tutti"].get("error") == ({"class": error, "ours": error.ours} if error else None), (
                name
            )
            expected[job.state, error or "", str(error.ours).lower() if error else ""] += 1
        assert expected == Counter(
            {
                ("succeeded", "", ""): 3,
                ("cancelled", ErrorClass.CANCELLED_BY_USER, "false"): 2,
                ("failed", ErrorClass.DEADLINE, "true"): 2,
                ("failed", ErrorClass.WORKER_LOST, "true"): 1,
                ("failed", ErrorClass.ENGINE_CRASH, "true"): 1,
            }
        )
        assert ends_of(*ports.values()) == expected
        assert Counter(dict(counted(system.ledger.views.counters()))) == expected
