"""The images and compose.yaml as they are shipped: built, run, killed, upgraded, restricted."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from tests.deploy.conftest import PATIENCE, VERSION, Engine, Stack

pytestmark = pytest.mark.timeout(1500)
IMAGES = ("tutti-web", "tutti-worker", "tutti-gateway")
LARGEST = {"tutti-web": 500e6, "tutti-gateway": 530e6}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_slim_and_nobodys(engine: Engine, images: None, name: str) -> None:
    found = engine.inspect(f"localhost/{name}:{VERSION}")
    assert found["Config"]["User"] == "10001:0"
    assert found["Size"] < LARGEST.get(name, 900e6)
    assert engine("run", "--rm", f"localhost/{name}:{VERSION}", "--version") == f"tutti {VERSION}"


def test_the_web_image_has_no_more_than_it_needs(engine: Engine, images: None) -> None:
    names = ("torch", "scipy", "duckdb", "vl_convert", "psycopg")
    script = f"import importlib.util as u; print([m for m in {names} if u.find_spec(m)])"
    image = f"localhost/tutti-web:{VERSION}"
    assert engine("run", "--rm", "--entrypoint", "python", image, "-c", script) == "['psycopg']"


@pytest.mark.parametrize("user", ["10001:0", "1234567:0"])
def test_any_user_may_run_it(engine: Engine, images: None, user: str) -> None:
    """No account has this number; the volume is new, and group 0 may write it."""
    name = f"any-{user.partition(':')[0]}"
    engine.ask("rm", "-f", "-v", name, check=False)
    engine(
        "run", "-d", "--name", name, "--user", user, "--read-only", "--cap-drop", "all",
        "--security-opt", "no-new-privileges", f"localhost/tutti-web:{VERSION}", "web",
    )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE
        while engine.ask("healthcheck", "run", name, check=False).returncode:
            assert engine.inspect(name)["State"]["Running"], engine.lines(name)
            assert time.monotonic() < deadline, engine.lines(name)
            time.sleep(0.5)
    finally:
        engine.ask("rm", "-f", "-v", name, check=False)


def test_a_folder_that_cannot_be_written_is_named(engine: Engine, images: None) -> None:
    words = ("--user", "1234567:1234567", f"localhost/tutti-web:{VERSION}", "web")
    done = engine.ask("run", "--rm", *words, check=False)
    assert done.returncode != 0
    assert "TUTTI_DATA (/data)" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("part", ["web", "dispatch", "worker", "gateway"])
def test_a_part_waits_for_a_ledger_that_is_not_there(engine: Engine, images: None, part: str) -> None:
    """It says so on the console, lives, and ends at once when it is told to."""
    image = {"dispatch": "worker"}.get(part, part)
    name = f"waits-{part}"
    engine.ask("rm", "-f", "-v", name, check=False)
    engine(
        "run", "-d", "--name", name, "-e", "TUTTI_LEDGER_URL=postgresql://tutti:x@127.0.0.1:1/tutti",
        "-e", "TUTTI_BROKER_URL=redis://127.0.0.1:2/0", f"localhost/tutti-{image}:{VERSION}", part,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE
        while "waits for the ledger: nothing listens" not in engine.lines(name):
            assert time.monotonic() < deadline, engine.lines(name)
            time.sleep(0.3)
        assert engine.inspect(name)["State"]["Running"]
        engine("stop", "-t", "60", name)
        assert engine.inspect(name)["State"]["ExitCode"] == 0, engine.lines(name)
    finally:
        engine.ask("rm", "-f", "-v", name, check=False)


def test_a_song_is_made_and_each_part_says_so_on_standard_output(stack: Stack) -> None:
    key = stack.key()
    job = stack.submit(key)
    found = stack.ended(key, job)
    assert found["state"] == "succeeded", found
    song = httpx.get(stack.url + found["outputs"][0]["url"], headers=key, timeout=30)
    assert song.status_code == 200
    assert len(song.content) > 10_000
    for part in ("web-1", "web-2", "dispatch", "worker", "gateway"):
        lines = stack.engine("logs", stack.name(part)).splitlines()
        assert lines, part
        for line in lines:
            json.loads(line)
    asked = [json.loads(line) for line in stack.engine("logs", stack.name("gateway")).splitlines()]
    assert any(line["service"]["name"] == "tutti-nginx" for line in asked)


def test_every_part_may_do_next_to_nothing(stack: Stack) -> None:
    for part in ("web-1", "dispatch", "worker", "gateway"):
        name = stack.name(part)
        found = stack.engine.inspect(name)
        assert found["HostConfig"]["ReadonlyRootfs"], part
        assert found["Config"]["User"] == "10001:0"
        status = stack.engine("exec", name, "python", "-c", "print(open('/proc/1/status').read())")
        told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert int(told["CapEff"], 16) == 0, part
        assert told["NoNewPrivs"] == "1", part
        assert stack.engine.ask("healthcheck", "run", name, check=False).returncode == 0, part


def test_a_worker_that_is_killed_loses_no_job_and_keeps_its_name(stack: Stack) -> None:
    key = stack.key()
    jobs = [stack.submit(key, duration=60, seed=number) for number in range(4)]
    stack.engine("kill", "-s", "KILL", stack.name("worker"))
    stack.engine("rm", "-f", stack.name("worker"))
    stack.compose("up", "-d", "--no-build", "--no-deps", "worker")
    assert [stack.ended(key, job)["state"] for job in jobs] == ["succeeded"] * 4
    workers = stack.engine("exec", stack.name("web-1"), "tutti", "status")
    assert workers.count("worker-0") >= 1


def test_the_ledger_may_go_and_come(stack: Stack) -> None:
    stack.engine("stop", "-t", "30", stack.name("postgresql"))
    stack.until("/readyz", 503)
    stack.engine("start", stack.name("postgresql"))
    stack.until("/readyz", 200)
    key = stack.key()
    assert stack.ended(key, stack.submit(key, seed=99))["state"] == "succeeded"


def test_an_upgrade_part_by_part_loses_nothing(stack: Stack) -> None:
    """Images of the next version take the place of those that run, while jobs come in."""
    for name in IMAGES:
        stack.engine("tag", f"localhost/{name}:{VERSION}", f"localhost/{name}:next")
    key, jobs = stack.key(), []
    for part in ("migrate", "web-1", "web-2", "dispatch", "worker"):
        jobs.append(stack.submit(key, duration=30, seed=len(jobs)))
        stack.engine.ask("stop", "-t", "45", stack.name(part), check=False)
        stack.engine.ask("rm", "-f", stack.name(part))
        stack.compose("up", "-d", "--no-build", "--no-deps", part, TUTTI_VERSION="next")
        stack.until("/readyz", 200)
    assert {stack.ended(key, job)["state"] for job in jobs} == {"succeeded"}
    assert stack.engine.inspect(stack.name("worker"))["ImageName"].endswith(":next")
