"""A canary that does worse is stopped by the running dispatcher, and new jobs go to the stable lane."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tasks.jobs import Job, JobState
from tests.servers import whole
from tests.servers.whole import Whole
from tests.servers.workers import ROOT, System, eventually

JOBS = 14  # a lane; both judgements ask for fewer


@pytest.fixture
def cell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Whole]:
    """All parts behind nginx and a stable worker of version 1, on the ledger that the test names."""
    more = {}
    if request.param == "postgresql":
        more["ledger_url"] = request.getfixturevalue("postgresql").ledger_url()
    with whole.standing(tmp_path / "var", lease_seconds=5, **more) as started:
        started.system.start_worker()
        yield started


@pytest.fixture
def system(cell: Whole) -> System:
    return cell.system


@pytest.fixture
def client(cell: Whole) -> httpx.Client:
    return cell.client


def gateway_lines(system: System, job_id: str) -> list[tuple[str, str]]:
    """Lane and version in nginx's lines about the request that the job came with."""
    trace = system.job(job_id).trace_id
    text = (system.settings.log_path / "nginx.jsonl").read_text(errors="replace")
    lines = [json.loads(line) for line in text.splitlines() if trace and trace in line]
    return [(line["tutti"]["lane"], line["tutti"]["model"]["version"]) for line in lines]


def worker_lines(system: System, job_id: str) -> set[tuple[str, str]]:
    lines = system.lines("job.succeeded", job_id) + system.lines("job.failed", job_id)
    return {(line["tutti"]["lane"], line["tutti"]["model"]["version"]) for line in lines}


def tutti(system: System, *words: str) -> str:
    command = [sys.executable, "-m", "compose.cli", *words]
    done = subprocess.run(
        command, env=system.environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def ask(system: System, client: httpx.Client, lane: str) -> Job:
    wish = {"prompt": "a plain tone", "duration": 5}
    answer = client.post("/v1/jobs", json=wish, headers={"X-Tutti-Lane": lane})
    assert answer.status_code == 202, answer.text
    return system.job(answer.json()["id"])


def alive(system: System) -> list[int]:
    return [part.process.pid for part in system.parts if part.process.poll() is None]


def stops(system: System, version: str) -> list[str]:
    told = [str(line["message"]) for line in system.lines("canary.stopped")]
    return [message for message in told if message.startswith(f"canary {version} stopped: ")]


@pytest.mark.parametrize(
    ("cell", "engine", "version", "device", "why"),
    [
        ("sqlite", "Flawed", "2", 1, "jobs failed, 0 of"),
        ("postgresql", "Slow", "3", 2, "s of compute a second"),
    ],
    indirect=["cell"],
)
def test_a_canary_that_does_worse_stops_while_all_runs_on(
    system: System, client: httpx.Client, engine: str, version: str, device: int, why: str
) -> None:
    worker = system.start_worker(engine=f"tests.engines:{engine}", device=device)
    running = alive(system)
    tutti(system, "canary", "set", version, "50%")
    eventually(lambda: ask(system, client, "canary").queue == f"tone@{version}")
    jobs = [ask(system, client, lane) for _ in range(JOBS) for lane in ("stable", "canary")]
    for job in jobs:
        ended = system.wait(job.id)
        assert ended.state == (
            JobState.FAILED if (engine, job.lane) == ("Flawed", "canary") else JobState.SUCCEEDED
        )
    for job in jobs[:2]:
        lane = (job.lane, version if job.lane == "canary" else "1")
        eventually(lambda job=job, lane=lane: gateway_lines(system, job.id) == [lane], 10)
        assert worker_lines(system, job.id) == {lane}
    eventually(lambda: stops(system, version), 30)
    eventually(lambda: ask(system, client, "canary").queue == "tone@1")
    last = ask(system, client, "canary")
    assert (last.lane, system.wait(last.id).state) == ("stable", JobState.SUCCEEDED)
    assert why in tutti(system, "canary", "status")
    assert alive(system) == running
    assert worker.end() == 0
