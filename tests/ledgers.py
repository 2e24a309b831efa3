"""Ledgers and jobs for tests: the same test runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from tasks.jobs import JobRequest, Output, new_job_id
from tasks.ledger import Ledger, NewJob, WorkerInfo

QUEUE = "sketch@1"


class Clock:
    """A time that tests move by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def new_job(prompt: str = "calm piano", **values) -> NewJob:
    asked = {name: values.pop(name) for name in list(values) if name in JobRequest.model_fields}
    job_id = values.pop("id", None) or new_job_id("t")
    return NewJob(id=job_id, request=JobRequest(prompt=prompt, **asked), **{"model_queue": QUEUE} | values)


def accept(ledger: Ledger, number: int = 1, **values) -> list[str]:
    answers = [ledger.submissions.accept(new_job(**values)) for _ in range(number)]
    return [answer.result(30).job.id for answer in answers]


def accept_one(ledger: Ledger, **values) -> str:
    return accept(ledger, **values)[0]


def register(
    ledger: Ledger, name: str = "gpu0@a", slots: int = 1, queues=(QUEUE,), version: str = "1"
) -> int:
    node = name.split("@")[1]
    info = WorkerInfo(
        id=name, node=node, queues=tuple(queues), engine="sketch", model_version=version, slots=slots
    )
    return ledger.workers.register(info)


def song(job_id: str) -> Output:
    return Output(name=f"{job_id}.wav", format="wav", seconds=60.0, bytes=1_000, sha256="0" * 64)


def run(ledger: Ledger, job_id: str, worker: str = "gpu0@a", epoch: int = 1) -> bool:
    """Claim and finish a job."""
    job = ledger.workers.claim(job_id, worker, epoch)
    return job is not None and ledger.workers.finish(job_id, job.attempt, worker, epoch, [song(job_id)])
