"""Containers: a part of the tests of its own (`make test-deploy`), since not each machine can run them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import needs

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / ".tools/deploy/bin/podman-compose"
VERSION = "0.1.0"
PARTS = ("postgresql", "valkey", "migrate", "web-1", "web-2", "dispatch", "worker", "gateway")
PATIENCE = 180.0  # seconds; the machine may be busy

if os.environ.get("TEST_DEPLOY") != "on":
    collect_ignore_glob = ["test_containers.py"]


def shell(script: str, **options) -> subprocess.CompletedProcess[str]:
    """Run what is written for people, with the engine chosen as compose/containers/engine.sh does."""
    command = ["sh", "-c", f"cd {ROOT} && . compose/containers/engine.sh && {script}"]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=1200, **options)


class Engine:
    """podman, with the configuration that works here."""

    def __init__(self) -> None:
        given = shell("env").stdout
        self.environment = os.environ | {
            name: value
            for name, value in (line.split("=", 1) for line in given.splitlines() if "=" in line)
            if name.startswith("CONTAINERS_")
        }

    def ask(self, *words: str, check: bool = True, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["podman", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0 or not check, (words, done.stdout, done.stderr)
        return done

    def __call__(self, *words: str) -> str:
        return self.ask(*words).stdout.strip()

    def inspect(self, name: str) -> dict:
        return dict(json.loads(self("inspect", name))[0])

    def lines(self, name: str) -> str:
        """All that a container has printed."""
        done = self.ask("logs", name)
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def engine() -> Engine:
    needs.program("podman")
    if not COMPOSE.exists():
        needs.missing("podman-compose", "compose/install.sh deploy")
    made = Engine()
    tried = made.ask("info", check=False)
    if tried.returncode:
        needs.missing("a podman that works", tried.stderr.strip()[-300:])
    return made


@pytest.fixture(scope="session")
def images(engine: Engine) -> None:
    """What `make images` builds, and stand-ins for servers that no registry hands out here."""
    built = shell("compose/containers/build.sh web worker gateway")
    assert built.returncode == 0, built.stderr[-3000:]
    for name in ("postgresql", "valkey"):
        file = f"tests/deploy/{name}.Containerfile"
        engine.ask("build", "-q", "-t", f"tutti-test-{name}", "-f", file, "tests/deploy", seconds=600)


class Stack:
    """compose.yaml's profile `full`, up to the servers that no registry hands out here."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.project = f"t{os.getpid()}"
        subprocess.run([ROOT / "compose/containers/secrets.sh", folder / "secrets"], check=True)
        self.environment = engine.environment | {
            "SECRETS": str(folder / "secrets"),
            "TUTTI_PORT": str(self.port),
            "TUTTI_LOG_TO": "stdout",
            "POSTGRESQL_IMAGE": "localhost/tutti-test-postgresql",
            "VALKEY_IMAGE": "localhost/tutti-test-valkey",
            "COMPOSE_PROJECT_NAME": self.project,
        }

    def compose(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [COMPOSE, "-p", self.project, "--profile", "full", *words]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-3000:])
        return done

    def name(self, part: str) -> str:
        return f"{self.project}_{part}_1"

    def until(self, path: str, status: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while (got := self.asked(path)) != status:
            assert time.monotonic() < deadline, (path, got, self.told())
            time.sleep(0.3)

    def asked(self, path: str) -> int | str:
        try:
            return httpx.get(self.url + path, timeout=10).status_code
        except httpx.HTTPError as error:
            return repr(error)

    def told(self) -> str:
        return "\n".join(f"--- {part}\n{self.engine.lines(self.name(part))[-1500:]}" for part in PARTS)

    def key(self) -> dict[str, str]:
        made = self.engine("exec", self.name("web-1"), "tutti", "keys", "add", "somebody")
        word = next(word for word in made.split() if word.startswith("tutti_"))
        return {"authorization": f"Bearer {word}"}

    def submit(self, key: dict[str, str], **fields) -> str:
        body = {"prompt": "calm piano, 80 bpm", "duration": 5, **fields}
        answer = httpx.post(f"{self.url}/v1/jobs", json=body, headers=key, timeout=30)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def ended(self, key: dict[str, str], job: str) -> dict:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                found = httpx.get(f"{self.url}/v1/jobs/{job}", headers=key, timeout=10)
                if found.status_code == 200 and found.json()["state"] in {"succeeded", "failed", "cancelled"}:
                    return dict(found.json())
            except httpx.HTTPError:
                pass
            assert time.monotonic() < deadline, self.told()
            time.sleep(0.3)


@pytest.fixture(scope="session")
def stack(engine: Engine, images: None) -> Iterator[Stack]:
    folder = Path(tempfile.mkdtemp(prefix="tutti-deploy-"))
    made = Stack(engine, folder)
    try:
        made.compose("up", "-d", "--no-build", *PARTS)
        made.until("/readyz", 200)
        yield made
    finally:
        subprocess.run(
            [COMPOSE, "-p", made.project, "--profile", "full", "down", "-v", "-t", "5"],
            cwd=ROOT, env=made.environment, capture_output=True, timeout=300, check=False,
        )  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
