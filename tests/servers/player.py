"""A worker without an engine: it speaks the worker's side of a real ledger and stores a short tone."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import soundfile

from tasks.jobs import ErrorClass, Job, Output, Timings
from tasks.ledger import Ledger, WorkerInfo
from tasks.settings import Settings

NAME = "gpu0@here"


def tone(seconds: float, container: str = "WAV") -> bytes:
    """A tone that swells, as a file."""
    time = np.arange(int(seconds * 8_000)) / 8_000
    file = io.BytesIO()
    soundfile.write(file, np.sin(time * 2_000) * time / seconds, 8_000, format=container)
    return file.getvalue()


@dataclass
class Player:
    """One registered worker."""

    ledger: Ledger
    settings: Settings
    epoch: int

    @classmethod
    def register(cls, ledger: Ledger, settings: Settings) -> Player:
        info = WorkerInfo(
            id=NAME,
            node="here",
            queues=("gpu.here.0", "node.here", "sketch@2"),
            engine="sketch",
            model_version="2",
        )
        return cls(ledger, settings, ledger.workers.register(info))

    def take(self, job_id: str) -> Job:
        """Release and claim a job."""
        self.ledger.dispatch.release(100)
        job = self.ledger.workers.claim(job_id, NAME, self.epoch)
        assert job is not None, f"{job_id} could not be claimed"
        return job

    def say(self, job: Job, share: float, stage: str) -> None:
        """Report progress."""
        assert self.ledger.workers.renew(NAME, self.epoch, progress={job.id: (share, stage)}).alive

    def finish(self, job: Job) -> None:
        """Store the songs and end the job."""
        outputs = [self._store(job, number) for number in range(1, job.request.variations + 1)]
        assert self.ledger.workers.finish(
            job.id, job.attempt, NAME, self.epoch, outputs, Timings(denoise=0.5)
        )

    def fail(self, job: Job, error_class: ErrorClass, detail: str) -> None:
        """End the job badly."""
        assert self.ledger.workers.fail(job.id, job.attempt, NAME, self.epoch, error_class, detail)

    def play(self, job_id: str) -> None:
        """All of it."""
        self.finish(self.take(job_id))

    def _store(self, job: Job, number: int) -> Output:
        data = tone(job.request.duration)
        name = f"{job.id}{'' if number == 1 else f'-{number}'}.wav"
        (self.settings.storage_path / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        return Output(
            name=name, format="wav", seconds=job.request.duration, bytes=len(data), sha256=digest, seed=7
        )
