"""What has to be true after every fault, read from the ledger, the files and the log lines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson
import soundfile

from tasks.jobs import Job, JobState, Output
from tasks.storage.folders import located
from tasks.storage.songs import TOLERANCE, duration
from tests.faults.glimpses import digest, is_song
from tests.faults.scene import Asked, Scene, steadily
from tests.servers.stored import names_in

TERMINAL = ("job.succeeded", "job.failed", "job.cancelled")
TOLD_WITHIN = 5.0  # seconds between a commit and its line


@dataclass(frozen=True)
class Verdict:
    """How many jobs broke the promise, by the way they broke it; all zero is right.

    Attributes:
        jobs: Answered as accepted.
        lost: Without an end, with a wrong one, or without its file as the record describes it.
        doubled: Ended twice in the ledger, told of twice, or two jobs of one key.
        partial: Files that were visible and not whole, or that changed, or that no record knows.
        unlogged: Without a line at the front and a line of its end, both of the job's trace.
        broken: Other promises, such as readiness, that did not hold.
        recovery: Seconds from the end of the fault until every job was final.
    """

    jobs: int = 0
    lost: int = 0
    doubled: int = 0
    partial: int = 0
    unlogged: int = 0
    broken: tuple[str, ...] = ()
    recovery: float = 0.0

    def __add__(self, other: Verdict) -> Verdict:
        added = {one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        return Verdict(**added | {"recovery": max(self.recovery, other.recovery)})

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.partial or self.unlogged or self.broken)


def judge(scene: Scene, asked: Sequence[Asked], recovery: float, *, logs: bool = True) -> Verdict:
    """Look at jobs that were answered as accepted and should have ended by now."""
    unique = list({one.id: one for one in asked}.values())
    jobs = {one.id: scene.job(one.id) for one in unique}
    _until_told(scene, unique, jobs)
    ends = Counter(line["tutti"]["job"]["id"] for line in _lines(scene, *TERMINAL))
    broken, scene.broken = tuple(scene.broken), []
    return Verdict(
        jobs=len(unique),
        lost=sum(not _kept(scene, one, jobs[one.id]) for one in unique),
        doubled=sum(_endings(scene, one.id) > 1 or ends[one.id] > 1 for one in unique),
        partial=_partial(scene),
        unlogged=len(_unlogged(scene, unique)) if logs else 0,
        broken=broken,
        recovery=recovery,
    )


def all_final(scene: Scene, asked: Sequence[Asked]) -> bool:
    ids = {one.id for one in asked}
    seen = steadily(lambda: scene.system.ledger.views.snapshots(ids))
    return len(seen) == len(ids) and all(snapshot.state.final for snapshot in seen.values())


def _kept(scene: Scene, one: Asked, job: Job | None) -> bool:
    """Whether a job ended as it may, and each of its files is what its record says."""
    if job is None or not job.state.final:
        return False
    end = job.error.error_class if job.error else job.state
    if end not in one.ends:
        return False
    folder = scene.system.settings.storage_path
    whole = all(_whole(located(folder, output.name), output) for output in job.outputs)
    return whole and bool(job.outputs) == (job.state is JobState.SUCCEEDED)


def _whole(path: Path, output: Output) -> bool:
    """Whether a file is there, is what the record says, and can be listened to, as long as it says."""
    if not path.exists() or digest(path) != output.sha256:
        return False
    try:
        return abs(duration(path) - output.seconds) <= TOLERANCE
    except soundfile.LibsndfileError:
        return False


def _endings(scene: Scene, job_id: str) -> int:
    return sum(line.state.final for line in steadily(lambda: scene.system.ledger.views.history(job_id)))


def _partial(scene: Scene) -> int:
    """Files that people could fetch and that are not, or were not at first sight, what a record describes."""
    page = steadily(lambda: scene.system.ledger.views.page(state=JobState.SUCCEEDED, limit=100_000))
    known = {output.name: output.sha256 for job in page.jobs for output in job.outputs}
    running = {job.id for job in scene.system.ledger.views.page(state=JobState.RUNNING, limit=1_000).jobs}
    folder = scene.system.settings.storage_path
    wrong = {name for name in names_in(folder) if is_song(name) and known.get(name) is None}
    wrong |= {name for name, seen in scene.glimpses.first.items() if known.get(name, seen) != seen}
    return sum(name.split(".")[0].split("-")[0] not in running for name in wrong)


def _until_told(scene: Scene, asked: Sequence[Asked], jobs: dict[str, Job | None]) -> None:
    """Give the lines time to be written that come just after the commit."""
    final = [one for one in asked if (job := jobs[one.id]) and job.state.final]
    deadline = time.monotonic() + TOLD_WITHIN
    while _unlogged(scene, final) and time.monotonic() < deadline:
        time.sleep(0.1)


def _unlogged(scene: Scene, asked: Sequence[Asked]) -> list[Asked]:
    accepted = {_key(line) for line in _lines(scene, "job.accepted")}
    ended = {_key(line) for line in _lines(scene, *TERMINAL)}
    return [one for one in asked if not {(one.id, one.trace)} <= accepted & ended]


def _key(line: dict[str, Any]) -> tuple[str, str | None]:
    return line["tutti"]["job"]["id"], line.get("trace", {}).get("id")


def _lines(scene: Scene, *actions: str) -> Iterator[dict[str, Any]]:
    for path in scene.logs():
        for text in path.read_bytes().splitlines():
            if b'"job.' in text and (line := orjson.loads(text))["event"].get("action") in actions:
                yield line
