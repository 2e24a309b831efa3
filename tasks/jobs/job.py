"""What becomes of a job: its states, why it failed, what came of it."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.jobs.request import JobRequest

Lane = Literal["stable", "canary"]


class JobState(StrEnum):
    """Where a job is; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether the job can change no more."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


class ErrorClass(StrEnum):
    """Why a job failed: the values of `error.class` in the API, the logs and the metrics."""

    INVALID_REQUEST = "invalid_request"
    OUT_OF_MEMORY = "out_of_memory"
    ENGINE_CRASH = "engine_crash"
    WORKER_LOST = "worker_lost"
    STORAGE_FULL = "storage_full"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    DEADLINE = "deadline"
    CANCELLED_BY_USER = "cancelled_by_user"
    INTERNAL = "internal"

    @property
    def ours(self) -> bool:
        """Whether the service failed; else who asked ended it, or asked for what cannot be."""
        return self not in _PERSONS_OWN


_PERSONS_OWN = frozenset({ErrorClass.INVALID_REQUEST, ErrorClass.CANCELLED_BY_USER})


class JobError(Exception):
    """A job cannot go on. `detail` is shown to the person who asked: it says what to do."""

    def __init__(self, error_class: ErrorClass, detail: str) -> None:
        super().__init__(detail)
        self.error_class = error_class
        self.detail = detail


class Output(BaseModel):
    """One finished audio file of a job."""

    name: str = Field(description="File name below /output/, such as `<id>.wav` or `<id>-2.flac`.")
    format: str
    seconds: float
    bytes: int
    sha256: str
    seed: int | None = None
    notes: list[str] = Field(default_factory=list, description="What was shortened to make it, if anything.")


class Timings(BaseModel):
    """Seconds that the last attempt spent in each stage; `queue` is the wait before it."""

    queue: float = 0.0
    condition: float = 0.0
    denoise: float = 0.0
    decode: float = 0.0
    encode: float = 0.0
    store: float = 0.0


class Failure(BaseModel):
    """Why a job failed, as the API shows it under `error`."""

    model_config = ConfigDict(populate_by_name=True)

    error_class: ErrorClass = Field(alias="class")
    detail: str


class Job(BaseModel):
    """What the ledger knows of one job."""

    id: str
    state: JobState
    request: JobRequest
    attempt: int = 0
    progress: float = Field(0.0, ge=0.0, le=1.0, description="Share done of the running attempt.")
    stage: str | None = Field(None, description="What is being done now, in words for a person.")
    outputs: list[Output] = Field(default_factory=list)  # pydantic copies plain defaults deeply, each time
    timings: Timings = Field(default_factory=Timings)
    error: Failure | None = None
    owner: str = Field("anonymous", description="Whose fair share it counts to: a key's id or an address.")
    lane: Lane = "stable"
    queue: str | None = None
    worker: str | None = None
    traceparent: str | None = None
    fingerprint: str | None = None
    cache_hit: bool = False
    created_at: dt.datetime
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    extra: dict[str, Any] = Field(default_factory=dict)

    @property
    def named_outputs(self) -> list[Output]:
        """The files under this job's own name, as people see them.

        A song that equal requests share lies under the name of the job that made it, which is that job's
        own and no one else's to look at.
        """
        maker = self.extra.get("cache_of")
        if not maker:
            return self.outputs
        return [
            output.model_copy(update={"name": self.id + output.name.removeprefix(maker)})
            for output in self.outputs
        ]

    def stored_as(self, name: str) -> str | None:
        """The file in the storage behind one of the names of `named_outputs`; None for any other name."""
        pairs = zip(self.named_outputs, self.outputs, strict=True)
        return next((stored.name for named, stored in pairs if named.name == name), None)

    @property
    def trace_id(self) -> str | None:
        """The 32 hexadecimal digits that tie every line about this job together."""
        return self.traceparent.split("-")[1] if self.traceparent else None
