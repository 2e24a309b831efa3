"""Those who call: the web app's routes, keys of each kind, and a second account of this machine."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tasks.jobs import Output
from tasks.ledger import Ledger
from tests import ledgers
from tests.needs import missing, program

PYTHON = "/usr/bin/python3"
NO_JOB = "a_00000000000000000000000000"
VALUES = {
    "job_id": NO_JOB, "variation": "1", "extension": "mp3", "name": f"{NO_JOB}.wav", "path:path": "workers",
    "panel": "rate", "slug": "forbidden",
}  # fmt: skip


@dataclass(frozen=True)
class Route:
    """One operation of the web app, at an address that leads to nothing in particular."""

    method: str
    path: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}"


def routes(app: FastAPI) -> list[Route]:
    """Every operation there is, so that no new one escapes."""
    found = []
    for route in _flat(app.routes):
        methods = getattr(route, "methods", None) or {"GET"}
        found += [Route(method, _address(route.path), route.path) for method in sorted(methods)]
    return found


def _flat(known: Iterable[Any]) -> Iterator[Any]:
    for route in known:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from _flat(inner.routes)


def _address(pattern: str) -> str:
    for name, value in VALUES.items():
        pattern = pattern.replace(f"{{{name}}}", value)
    return "/static/style.css" if pattern == "/static" else pattern


def finish(ledger: Ledger, job_id: str, folder: Path | None = None, sound: bytes = b"RIFFsound") -> Output:
    """Let a job succeed, as a worker would, with a file of its name in the storage."""
    epoch = ledgers.register(ledger)
    song = ledgers.song(job_id)
    if folder is not None:
        (folder / song.name).write_bytes(sound)
    job = ledger.workers.claim(job_id, "gpu0@a", epoch)
    assert job is not None
    assert ledger.workers.finish(job_id, job.attempt, "gpu0@a", epoch, [song])
    return song


@dataclass(frozen=True)
class Neighbour:
    """A second account of this machine."""

    name: str
    uid: int
    gid: int
    home: Path

    def run(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program of the system's as this account."""
        return subprocess.run(
            words, user=self.uid, group=self.gid, extra_groups=[], cwd="/", env={"PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip

    def python(self, code: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python code; the interpreter is the system's, for ours may lie where nobody else may go."""
        if not Path(PYTHON).exists():
            missing(PYTHON, "apt-get install python3")
        return self.run(PYTHON, "-c", code, *words)

    def status(self, url: str, *options: str) -> int:
        """The status of an answer to curl."""
        asked = [program("curl"), "-s", "-o", "/dev/null", "-w", "%{http_code}", *options, url]
        return int(self.run(*asked).stdout or 0)

    def get(self, url: str, *options: str) -> str:
        """The body of an answer to curl."""
        return self.run(program("curl"), "-s", *options, url).stdout


@contextlib.contextmanager
def neighbour() -> Iterator[Neighbour]:
    """Make an account, and remove it."""
    if os.geteuid() != 0:
        pytest.skip("making an account needs root")
    name = f"tutti-test-{secrets.token_hex(4)}"
    useradd = program("useradd", package="passwd")
    subprocess.run([useradd, "--system", "--create-home", "--shell", "/bin/sh", name], check=True)
    try:
        known = pwd.getpwnam(name)
        yield Neighbour(name, known.pw_uid, known.pw_gid, Path(known.pw_dir))
    finally:
        subprocess.run(
            [program("userdel", package="passwd"), "--remove", name], check=False, capture_output=True
        )


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every account may enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="tutti-open-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
