"""The cell that faults strike: a web process, two dispatchers, two workers, and what is below them."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tasks.jobs import Job, JobState
from tasks.ledger import Ledger, LedgerUnavailable
from tests.faults.glimpses import Glimpses
from tests.faults.stage import Ground, Stage, ground
from tests.servers import workers
from tests.servers.clock import Clock
from tests.servers.gateway import free_port
from tests.servers.workers import ROOT, Part, System, eventually

JOBS = 6
SECONDS = 1.0  # that a job's steps take
PROMPT = "a tone steps=20 pace=0.05"
SUCCEEDED = frozenset({"succeeded"})
QUEUE = "tone@1"


@dataclass(frozen=True)
class Asked:
    """A job that was answered 202, its trace, and how it may end: a state or an ErrorClass."""

    id: str
    trace: str
    ends: frozenset[str] = SUCCEEDED


class NotTaken(Exception):
    """What people asked for was not taken, however often they asked."""


@dataclass
class Scene:
    """A running cell. Faults are free to kill its parts; `mend` starts again what is gone."""

    system: System
    ground: Ground
    dice: random.Random
    without: tuple[str, ...]  # the safeguards that are out
    up: bool = False  # whether all is one `tutti up`
    parts: dict[str, Part] = field(default_factory=dict)
    clock: Clock | None = None  # worker 0's, where it can be set
    broken: list[str] = field(default_factory=list)  # promises that were seen broken
    glimpses: Glimpses = field(init=False)

    def __post_init__(self) -> None:
        self.glimpses = Glimpses(self.system.settings.storage_path)

    @property
    def whole(self) -> bool:
        """Whether every safeguard is in."""
        return not self.without

    # --- parts

    @property
    def names(self) -> Sequence[str]:
        """The processes that are ours to start."""
        return ("up",) if self.up else ("web", "dispatch 0", "dispatch 1", "worker 0", "worker 1")

    def mend(self) -> None:
        """Start what is not running, and wait until it works."""
        for name in self.names:
            self.restart(name)
        eventually(self._stands, about=self.system.ledger.views.workers)

    def restart(self, name: str) -> None:
        """Start a part if it is not running."""
        if name in self.parts and self.parts[name].process.poll() is None:
            return
        kind, _, number = name.partition(" ")
        words = ("--uds", str(self._socket)) if kind == "web" else ()
        settings: dict[str, Any] = {"device": number} if kind == "worker" else {}
        beside = self.clock.environment if self.clock and name == "worker 0" else {}
        self.parts[name] = self.system.start(kind, *words, beside=beside, **settings)

    def _stands(self) -> bool:
        with contextlib.suppress(httpx.HTTPError, LedgerUnavailable), self.client() as client:
            known = [
                worker for worker in self.system.ledger.views.workers() if worker.alive or not self.whole
            ]
            return client.get("/livez").status_code == 200 and len(known) == self.fleet
        return False

    @property
    def fleet(self) -> int:
        """How many workers there are."""
        return 1 if self.up else 2

    def kill(self, name: str) -> None:
        """kill -9 of a part; its engine process has to end with it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.parts[name].process.pid, signal.SIGKILL)
        self.parts[name].process.wait()

    def some_worker(self) -> str:
        return f"worker {self.dice.randrange(2)}"

    @property
    def workers(self) -> Sequence[Part]:
        return [self.parts[f"worker {number}"] for number in range(2)]

    # --- jobs

    @property
    def _socket(self) -> Path:
        return self.system.settings.run_path / "web.sock"

    def client(self) -> httpx.Client:
        """A client of the web process, on its port or, as nginx is one, on its socket."""
        transport = httpx.HTTPTransport(uds=None if self.up else str(self._socket))
        url = f"http://127.0.0.1:{self.system.settings.port}"
        return httpx.Client(transport=transport, base_url=url, timeout=10)

    def submit(
        self, number: int = JOBS, prompt: str = PROMPT, ends: Collection[str] = SUCCEEDED, **headers: str
    ) -> list[Asked]:
        """Ask for so many songs; what is refused for now is asked for again, with the same key."""
        with self.client() as client:
            return [self._submit(client, prompt, frozenset(ends), headers) for _ in range(number)]

    def _submit(
        self, client: httpx.Client, prompt: str, ends: frozenset[str], headers: dict[str, str]
    ) -> Asked:
        trace = secrets.token_hex(16)
        said = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01", "idempotency-key": trace} | headers
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = client.post("/v1/jobs", json={"prompt": prompt, "duration": 5}, headers=said)
                if answer.status_code == 202:
                    return Asked(answer.json()["id"], trace, ends)
                assert answer.status_code >= 500, answer.text
            self.was_refused()
            if time.monotonic() > deadline:
                raise NotTaken("no job was accepted for a minute")
            time.sleep(0.05)

    def was_refused(self) -> None:
        """A request was not taken: it is sent again."""

    def job(self, job_id: str) -> Job | None:
        """What the ledger says, once it can be asked."""
        return steadily(lambda: self.system.ledger.views.get(job_id))

    def reopen(self) -> None:
        """Open this process's own view of the ledger anew."""
        settings = self.system.settings
        self.system.ledger.close()
        self.system.ledger = Ledger(settings.ledger, lease_seconds=settings.lease_seconds)

    def logs(self) -> Iterator[Path]:
        """The files of log lines."""
        yield from sorted(Path(self.system.settings.log_path).glob("*.jsonl*"))

    # --- moments

    def soon(self, most: float = 1.0) -> None:
        time.sleep(self.dice.uniform(0, most))  # the random moment of the fault, not a wait for something

    def amid(self, asked: Sequence[Asked]) -> str:
        """Wait until a job is at about 10, 50 or 90 % of its run; the part that runs it comes back."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            jobs = [job for one in asked if (job := self.job(one.id))]
            if running := [job.worker for job in jobs if job.state is JobState.RUNNING and job.worker]:
                time.sleep(self.dice.choice((0.1, 0.5, 0.9)) * SECONDS)
                return f"worker {self.dice.choice(running).removeprefix('gpu').split('@')[0]}"
            if all(job.state.final for job in jobs):
                break
        return self.some_worker()

    def refuses(self) -> bool:
        """Whether the web process says that it can take no jobs; to be silent is not to say so."""
        with contextlib.suppress(httpx.TransportError), self.client() as client:
            return client.get("/readyz").status_code == 503
        return False

    def expect(self, what: bool, words: str) -> None:
        """Note a promise that does not hold."""
        if not what:
            self.broken.append(words)


def steadily(ask: Any, limit: float = 60) -> Any:
    """Ask a ledger that may be away."""
    deadline = time.monotonic() + limit
    while True:
        try:
            return ask()
        except LedgerUnavailable:
            assert time.monotonic() < deadline, "the ledger stayed away"
            time.sleep(0.05)


@contextmanager
def scene(
    folder: Path, stage: Stage, dice: random.Random, without: tuple[str, ...] = (), **settings: Any
) -> Iterator[Scene]:
    """A standing cell on a stage; all its processes lack the safeguards in `without`."""
    with ground(folder, stage, careless=bool(without)) as below:
        values = {"data": folder, "rate_limit": "off", "max_attempts": 20, **below.settings, **settings}
        if stage.up:
            values |= {"broker_url": None, "port": free_port(), "gateway": "off"}
        with workers.running(broker=below.broker, dispatch=False, **values) as system:
            hook = f"{ROOT / 'tests' / 'faults' / 'hook'}{os.pathsep}{ROOT}"
            system.environment |= {"FAULTS_WITHOUT": ",".join(without), "PYTHONPATH": hook}
            clock = Clock(folder) if stage.clock else None
            made = Scene(system, below, dice, without, up=stage.up, clock=clock)
            try:
                made.mend()
                yield made
            finally:
                made.glimpses.end()
                if "up" in made.parts:  # it has parts of its own to end
                    made.parts["up"].end()
