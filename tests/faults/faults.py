"""The faults: each submits jobs, breaks something at a random time, and puts the broken part back."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.jobs import JobRequest, new_job_id
from tasks.ledger import NewJob
from tests.faults.invariant import Verdict, judge
from tests.servers import workers
from tests.servers.workers import ROOT, Part, System

JOBS = 6
PROMPT = "a plain tone"


@dataclass
class Scene:
    """A cell with two workers, and a dispatcher that stands by."""

    system: System
    dice: random.Random
    dispatchers: list[Part]
    workers: list[Part]
    sabotage: str | None = None

    def start(self, name: str, **settings) -> Part:
        """Start a part, with the sabotage if there is one."""
        if self.sabotage is None:
            return self.system.start(name, **settings)
        command = [sys.executable, "-m", "tests.faults.sabotage", self.sabotage, name]
        environment = self.system.environment | {f"TUTTI_{k.upper()}": str(v) for k, v in settings.items()}
        part = Part(subprocess.Popen(command, env=environment, cwd=ROOT, start_new_session=True))
        self.system.parts.append(part)
        return part

    def submit(self, number: int = JOBS) -> list[str]:
        return [self.system.submit(PROMPT) for _ in range(number)]

    def some_worker(self) -> int:
        return self.dice.randrange(len(self.workers))

    def soon(self, most: float = 1.0) -> None:
        time.sleep(self.dice.uniform(0, most))  # the random moment of the fault, not a wait for something


def kill_worker(scene: Scene) -> list[str]:
    """kill -9 of a worker's whole process group; it comes back after a while, or the other takes over."""
    ids, number = scene.submit(), scene.some_worker()
    scene.soon()
    _kill_group(scene.workers[number])
    if scene.sabotage is None:
        scene.workers[number] = scene.start("worker", device=number)
    return ids


def kill_engine(scene: Scene) -> list[str]:
    """kill -9 of the engine's process: its jobs are suspects and run again, one by one."""
    ids, worker = scene.submit(), scene.workers[scene.some_worker()]
    scene.soon()
    if worker.has_child:
        worker.child.kill()
    return ids


def kill_broker(scene: Scene) -> list[str]:
    """kill -9 of the broker in mid-burst; jobs are accepted while it is away."""
    ids = scene.submit()
    scene.soon()
    scene.system.broker.kill()
    ids += scene.submit(2)
    scene.soon()
    scene.system.broker.start()
    return ids


def wipe_broker(scene: Scene) -> list[str]:
    """The broker forgets everything it was given."""
    for worker in scene.workers:
        worker.send(signal.SIGSTOP)  # for less than its lease, so that messages lie in the broker
    ids = scene.submit(3 * JOBS)
    broker = scene.system.broker.client()
    workers.eventually(lambda: broker.llen("tone@1"))
    broker.flushall()
    for worker in scene.workers:
        worker.send(signal.SIGCONT)
    scene.soon()
    broker.flushall()
    return ids


def kill_dispatcher(scene: Scene) -> list[str]:
    """kill -9 of the active dispatcher; the one that stands by takes over."""
    ids = scene.submit(2)
    scene.soon()
    _kill_group(scene.dispatchers.pop(0))
    ids += scene.submit()
    if scene.sabotage is None:
        scene.dispatchers.append(scene.start("dispatch"))
    else:
        _kill_group(scene.dispatchers.pop(0))
    return ids


def stop_worker(scene: Scene) -> list[str]:
    """SIGSTOP of a worker for longer than its lease; when it goes on its jobs are others'."""
    ids, worker = scene.submit(), scene.workers[scene.some_worker()]
    scene.soon()
    worker.send(signal.SIGSTOP)
    time.sleep(scene.system.settings.lease_seconds * scene.dice.uniform(1.2, 2.0))
    worker.send(signal.SIGCONT)
    return ids


def restart_worker(scene: Scene) -> list[str]:
    """SIGTERM of a worker under load, and a new one: a rolling restart."""
    ids, number = scene.submit(), scene.some_worker()
    scene.soon()
    scene.workers[number].end(signal.SIGTERM if scene.sabotage is None else signal.SIGKILL)
    if scene.sabotage is None:
        scene.workers[number] = scene.start("worker", device=number)
    return ids


def one_key(scene: Scene) -> list[str]:
    """200 submits with one idempotency key: one job, whose id all of them are told."""
    request, key = JobRequest(prompt=PROMPT, duration=5), f"key-{scene.dice.random()}"
    new = [
        NewJob(
            id=new_job_id("a"), request=request, model_queue="tone@1", idempotency_key=key, body_hash="same"
        )
        for _ in range(200)
    ]
    answers = [scene.system.ledger.accept(one) for one in new]
    wait(answers)
    return [answer.result().job.id for answer in answers]


def kill_accepter(scene: Scene) -> list[str]:
    """kill -9 of a process that accepts jobs: what it answered is kept."""
    command = [sys.executable, "-m", "tests.faults.submit", scene.system.settings.ledger]
    if scene.sabotage:
        command[2:3] = ["tests.faults.sabotage", scene.sabotage, "submit"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    first = process.stdout.readline()
    scene.soon(0.1)
    process.kill()
    told = first + process.stdout.read()
    process.wait()
    return [line for line in told.splitlines() if len(line) == 28]


def _kill_group(part: Part) -> None:
    with contextlib.suppress(ProcessLookupError):  # a control leaves the dead as they are
        os.killpg(part.process.pid, signal.SIGKILL)
    part.process.wait()


@dataclass(frozen=True)
class Fault:
    """A fault, the safeguard whose absence its check has to notice, and in which part."""

    name: str
    strike: Callable[[Scene], list[str]]
    safeguard: str
    part: str


FAULTS = (
    Fault("kill -9 worker", kill_worker, "no_expiry", "dispatch"),
    Fault("kill -9 engine", kill_engine, "no_renewal", "worker"),
    Fault("kill -9 broker", kill_broker, "no_resend", "dispatch"),
    Fault("wipe broker", wipe_broker, "no_second_release", "dispatch"),
    Fault("kill -9 dispatcher", kill_dispatcher, "no_expiry", "dispatch"),
    Fault("SIGSTOP beyond lease", stop_worker, "no_renewal", "worker"),
    Fault("SIGTERM worker", restart_worker, "no_expiry", "dispatch"),
    Fault("200 submits, one key", one_key, "no_keys", "here"),
    Fault("kill -9 accepter", kill_accepter, "answer_early", "submit"),
)


@contextmanager
def scene(folder: Path, dice: random.Random, fault: Fault, *, sabotaged: bool = False) -> Iterator[Scene]:
    """A cell for one fault; the processes of the fault's part lack their safeguard if `sabotaged`."""
    what = fault.safeguard if sabotaged else None
    with workers.running(folder, max_attempts=20) as system:
        system.parts[0].end()  # ours are named, so that they can be killed
        made = Scene(system, dice, [], [], what)
        made.dispatchers = [_start(made, fault, "dispatch") for _ in range(2)]
        made.workers = [_start(made, fault, "worker", device=number) for number in range(2)]
        workers.eventually(lambda: sum(worker.alive for worker in system.ledger.workers()) == 2)
        yield made


def _start(made: Scene, fault: Fault, name: str, **settings) -> Part:
    return (made if fault.part == name else Scene(made.system, made.dice, [], [])).start(name, **settings)


def strike(made: Scene, fault: Fault, limit: float) -> Verdict:
    """One round: the fault, and what has become of the jobs within `limit` seconds."""
    ids = fault.strike(made)
    began = time.monotonic()
    while time.monotonic() - began < limit and not _all_final(made.system, ids):
        time.sleep(0.05)
    verdict = judge(made.system, ids, time.monotonic() - began)
    if fault.strike is one_key:
        return verdict + Verdict(doubled=len(set(ids)) - 1)
    return verdict


def _all_final(system: System, ids: list[str]) -> bool:
    seen = system.ledger.watch(set(ids))
    return len(seen) == len(set(ids)) and all(snapshot.state.final for snapshot in seen.values())
