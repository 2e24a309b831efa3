"""What has to be true after every fault, read from the ledger, the files and the log lines."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from tasks.jobs import JobState
from tests.servers.workers import System


@dataclass(frozen=True)
class Verdict:
    """How many jobs broke the promise, by the way they broke it; all zero is right."""

    jobs: int = 0
    lost: int = 0
    doubled: int = 0
    partial: int = 0
    recovery: float = 0.0

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.jobs + other.jobs,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.partial + other.partial,
            max(self.recovery, other.recovery),
        )

    @property
    def holds(self) -> bool:
        return self.lost == self.doubled == self.partial == 0


def judge(system: System, accepted: Collection[str], recovery: float) -> Verdict:
    """Look at jobs that were answered as accepted, once each, and should have succeeded."""
    lines = Counter(line["tutti"]["job"]["id"] for line in system.lines("job.succeeded"))
    doubled = sum(_endings(system, job_id) > 1 or lines[job_id] > 1 for job_id in set(accepted))
    return Verdict(
        jobs=len(set(accepted)),
        lost=sum(not _kept(system, job_id) for job_id in set(accepted)),
        doubled=doubled,
        partial=_partial(system),
        recovery=recovery,
    )


def _kept(system: System, job_id: str) -> bool:
    """Whether a job succeeded and each of its files is what its record says."""
    job = system.ledger.get(job_id)
    if job is None or job.state is not JobState.SUCCEEDED or not job.outputs:
        return False
    return all(_hash(system, output.name) == output.sha256 for output in job.outputs)


def _endings(system: System, job_id: str) -> int:
    return sum(line.state.final for line in system.ledger.history(job_id))


def _partial(system: System) -> int:
    """Files that people could fetch and that no finished job's record describes."""
    page = system.ledger.list(state=JobState.SUCCEEDED, limit=100_000)
    known = {output.name: output.sha256 for job in page.jobs for output in job.outputs}
    running = {job.id for job in system.ledger.list(state=JobState.RUNNING, limit=1_000).jobs}
    visible = [name for name in system.files() if not name.endswith(".tmp") and not name.startswith(".")]
    strangers = [name for name in visible if name.split(".")[0].split("-")[0] not in running]
    return sum(known.get(name) != _hash(system, name) for name in strangers)


def _hash(system: System, name: str) -> str | None:
    try:
        return hashlib.sha256((system.settings.storage_path / name).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
