"""Everything between ledger and NAS, in real processes: broker, dispatcher, and workers to be ill-treated."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson
import psutil

from tasks.jobs import Job, JobRequest, JobState, new_job_id
from tasks.ledger import Ledger, NewJob
from tasks.settings import Settings
from tests.servers import valkey
from tests.servers.parent import bound
from tests.servers.stored import names_in
from tests.servers.surroundings import inherited

ROOT = Path(__file__).parents[2]
TONE = {"engine": "tests.engines:Tone", "lease_seconds": 2, "drain_seconds": 5, "node": "box"}


class Broker(Protocol):
    """A started server that Celery can use; its data outlives `kill` and `stop`."""

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...


def eventually(what: Callable[[], object], limit: float = 60, about: Callable[[], object] = str) -> None:
    """Wait until `what` holds."""
    until = time.monotonic() + limit
    while not what():
        assert time.monotonic() < until, f"it never came to be: {about()}"
        time.sleep(0.02)


@dataclass
class Part:
    """One `tutti` process."""

    process: subprocess.Popen[bytes]

    @property
    def child(self) -> psutil.Process:
        """A worker's engine process."""
        found: list[psutil.Process] = []
        eventually(lambda: found or found.extend(self.engines) or found)
        return found[0]

    @property
    def has_child(self) -> bool:
        return bool(self.engines)

    @property
    def engines(self) -> list[psutil.Process]:
        """The engine process, if there is one."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children()
        return []

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM, limit: float = 40) -> int:
        with contextlib.suppress(ProcessLookupError):
            self.send(number)
            self.send(signal.SIGCONT)
        return self.process.wait(limit)


@dataclass
class System:
    """A cell of its own in one folder."""

    settings: Settings
    broker: Broker
    ledger: Ledger
    environment: dict[str, str]
    parts: list[Part] = field(default_factory=list)

    def start(self, *words: str, beside: Mapping[str, str] | None = None, **settings: Any) -> Part:
        """Start `tutti WORDS`; `settings` go over the system's, `beside` into the environment."""
        environment = {**self.environment, **_variables(settings), **(beside or {})}
        command = [sys.executable, "-m", "compose.cli", *words]
        part = Part(subprocess.Popen(bound(command), env=environment, cwd=ROOT, start_new_session=True))
        self.parts.append(part)
        return part

    def start_worker(self, **settings: Any) -> Part:
        """Start a worker and wait until the ledger knows it."""
        node = settings.get("node", self.settings.node)
        name, before = f"gpu{settings.get('device', 0)}@{node}", time.time()
        part = self.start("worker", **settings)
        eventually(
            lambda: any(w.id == name and w.alive and w.seen_at >= before for w in self.ledger.views.workers())
        )
        return part

    def submit(self, prompt: str = "a plain tone", *, seed: int | None = None, **fields: Any) -> str:
        request = JobRequest(prompt=prompt, duration=5, seed=seed, **fields)
        new = NewJob(id=new_job_id("a"), request=request, model_queue="tone@1", traceparent=TRACEPARENT)
        return self.ledger.submissions.accept(new).result(30).job.id

    def job(self, job_id: str) -> Job:
        job = self.ledger.views.get(job_id)
        assert job is not None
        return job

    def wait(self, job_id: str, *states: JobState, limit: float = 60) -> Job:
        """Wait until the job is in one of these states, by default a final one."""
        wanted = set(states) or {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
        eventually(
            lambda: self.job(job_id).state in wanted,
            limit,
            lambda: f"{self.job(job_id)}\n{self.lines()[-5:]}",
        )
        return self.job(job_id)

    def wait_for_stage(self, job_id: str, stage: str = "sounding") -> Job:
        """Wait until the engine is at work on the job, as its worker tells the ledger."""
        eventually(lambda: stage in (self.job(job_id).stage or ""), about=lambda: self.job(job_id))
        return self.job(job_id)

    def files(self) -> list[str]:
        """Names in the storage, but for its mark."""
        return names_in(self.settings.storage_path)

    def lines(self, action: str | None = None, job_id: str | None = None) -> list[dict[str, Any]]:
        """The workers' log lines, of one action and about one job."""
        path = self.settings.log_path / "worker.jsonl"
        found = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        if action:
            found = [line for line in found if line["event"].get("action") == action]
        if job_id:
            found = [line for line in found if line.get("tutti", {}).get("job", {}).get("id") == job_id]
        return found

    def close(self) -> None:
        for part in reversed(self.parts):
            if part.process.poll() is None:
                part.process.kill()
                part.process.wait(20)
        self.ledger.close()


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _variables(settings: dict[str, Any]) -> dict[str, str]:
    return {f"TUTTI_{name.upper()}": str(value) for name, value in settings.items() if value is not None}


@contextlib.contextmanager
def running(
    data: Path, broker: Broker | None = None, *, dispatch: bool = True, **settings: Any
) -> Iterator[System]:
    """A broker (by default a new Valkey), a ledger and a dispatcher; workers are for the test to start."""
    with contextlib.nullcontext(broker) if broker else valkey.running() as broker:
        values: dict[str, Any] = {**TONE, "data": data, "broker_url": broker.url, **settings}
        chosen = Settings(**values)
        system = System(
            chosen,
            broker,
            Ledger(chosen.ledger, lease_seconds=chosen.lease_seconds),
            {**inherited(), **_variables(values)},
        )
        try:
            if dispatch:
                system.start("dispatch")
            yield system
        finally:
            system.close()
