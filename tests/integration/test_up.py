"""`tutti up`, the whole of one machine, from the form's address to the file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import soundfile

from tests.servers import tutti as server
from tests.servers.tutti import Tutti


@pytest.fixture(scope="module")
def tutti(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutti]:
    with server.running(tmp_path_factory.mktemp("up") / "var") as running:
        yield running


def test_a_job_becomes_a_song_that_plays(tutti: Tutti) -> None:
    job = tutti.wait(tutti.submit(duration=6, seed=3)["id"])
    assert job["state"] == "succeeded", job
    output = job["outputs"][0]
    song = httpx.get(f"{tutti.url}{output['url']}")
    assert song.headers["content-type"] == "audio/wav"
    assert hashlib.sha256(song.content).hexdigest() == output["sha256"]
    samples, rate = soundfile.read(io.BytesIO(song.content))
    assert (rate, samples.shape) == (48_000, (6 * 48_000, 2))
    assert httpx.get(f"{tutti.url}/output/{job['id']}.mid").content.startswith(b"MThd")


def test_one_trace_id_runs_from_the_click_to_the_file(tutti: Tutti) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = httpx.post(
        f"{tutti.url}/v1/jobs",
        json={"prompt": "calm piano", "duration": 5},
        headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
    )
    job = tutti.wait(answer.json()["id"])
    assert job["trace_id"] == trace
    for name, wanted in (("web", "job.accepted"), ("worker", "job.succeeded"), ("nginx", "http.request")):
        until(lambda name=name, wanted=wanted: wanted in actions(tutti.data / "log" / f"{name}.jsonl", trace))


def test_the_lines_that_alerts_read_are_there(tutti: Tutti) -> None:
    def lines(action: str) -> list[dict]:
        told = map(json.loads, (tutti.data / "log" / "worker.jsonl").read_bytes().splitlines())
        return [line["tutti"] for line in told if line["event"].get("action") == action]

    until(lambda: lines("service.state") and lines("worker.heartbeat"), 40)
    assert lines("service.state")[-1]["service"]["hour"].keys() == {"ended", "failed", "failed_share"}
    assert 0 < lines("worker.heartbeat")[-1]["storage"]["used_ratio"] < 1


def test_flower_shows_the_task(tutti: Tutti) -> None:
    job = tutti.wait(tutti.submit()["id"])
    until(lambda: job["id"] in httpx.get(f"{tutti.url}/flower/task/{job['id']}").text)


def test_a_second_tutti_on_the_same_folder_says_so_and_leaves_the_first_alone(tutti: Tutti) -> None:
    second = up(TUTTI_DATA=str(tutti.data), TUTTI_PORT=str(server.free_port()))
    assert second.returncode == 1
    assert "runs already" in second.stderr
    assert httpx.get(f"{tutti.url}/livez").status_code == 200


def test_a_port_in_use_is_named(tutti: Tutti, tmp_path: Path) -> None:
    second = up(TUTTI_DATA=str(tmp_path), TUTTI_PORT=str(tutti.port))
    assert second.returncode == 1
    assert f"Port {tutti.port}" in second.stderr


def up(**settings: str) -> subprocess.CompletedProcess[str]:
    """`tutti up` that is expected to end at once."""
    words = [sys.executable, "-m", "compose.cli", "up"]
    return subprocess.run(
        words, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False
    )


def test_ctrl_c_stops_every_process_and_the_next_start_finishes_what_waited(tmp_path: Path) -> None:
    data = tmp_path / "var"
    with server.running(data) as first:
        done = first.wait(first.submit()["id"])
        waiting = [first.submit(duration=30, seed=number)["id"] for number in range(6)]
        processes = psutil.Process(first.process.pid).children(recursive=True)
        assert first.stop(signal.SIGINT) == 0
        assert not [process for process in processes if process.is_running()]
    with server.running(data) as second:
        assert [second.wait(job)["state"] for job in waiting] == ["succeeded"] * 6
        assert httpx.get(f"{second.url}{done['outputs'][0]['url']}").status_code == 200


def test_without_nginx_the_web_app_serves_the_files_itself(tmp_path: Path) -> None:
    with server.running(tmp_path / "var", nginx=False) as alone:
        assert "the web app itself" in alone.printed
        job = alone.wait(alone.submit()["id"])
        part = httpx.get(f"{alone.url}{job['outputs'][0]['url']}", headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"RIFF")
        assert httpx.get(f"{alone.url}/flower/", follow_redirects=True).status_code == 200


def actions(path: Path, trace: str) -> list[str]:
    """The `event.action` of every line of this trace."""
    if not path.exists():
        return []
    lines = (json.loads(line) for line in path.read_bytes().splitlines())
    return [line["event"]["action"] for line in lines if line.get("trace", {}).get("id") == trace]


def until(condition: object, limit: float = 20) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
