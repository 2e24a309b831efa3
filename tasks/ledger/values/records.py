"""What goes into the ledger and what comes out of it, as plain data. Times are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tasks.jobs import Job, JobRequest, JobState, Lane
from tasks.security.keys import Quota


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job that asks to be accepted."""

    id: str
    request: JobRequest
    model_queue: str  # `<model>@<version>`: the shared queue of those who can make it
    owner: str = "anonymous"
    lane: Lane = "stable"
    preferred_queue: str | None = None
    traceparent: str | None = None
    idempotency_key: str | None = None
    body_hash: str | None = None
    source_ip_hash: str | None = None
    quota: Quota | None = None
    sound: int = 1  # how often the engine has changed what it makes of the same request
    start_within: float | None = None  # seconds the job may wait before it fails with `deadline`


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The answer to a NewJob; `created` is False where an idempotency key named an earlier job."""

    job: Job
    created: bool
    position: int | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Jobs, newest first, and where the next page begins."""

    jobs: list[Job]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a person who waits wants to know; position counts from 1, for queued jobs."""

    state: JobState
    attempt: int = 0
    progress: float = 0.0
    stage: str | None = None
    position: int | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """All about one job at one moment; nobody waits any more for one that has ended."""

    job: Job
    snapshot: Snapshot


@dataclass(frozen=True, kw_only=True)
class QueueView:
    """One queue: `waiting` in the ledger, `released` to the broker and unclaimed, `running`."""

    name: str
    waiting: int = 0
    released: int = 0
    running: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """Who a worker is when it registers; `slots` is how many jobs it runs at once."""

    id: str
    node: str
    queues: tuple[str, ...]
    engine: str
    model_version: str
    device: str = "cpu"
    slots: int = 1


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """A worker's device as it was last measured; memory in bytes, busy as a share, degrees Celsius."""

    model_loaded: bool = False
    gpu_memory_used: int | None = None
    gpu_memory_total: int | None = None
    gpu_busy: float | None = None
    temperature: float | None = None


@dataclass(frozen=True, kw_only=True)
class WorkerView:
    """A worker as the ledger knows it."""

    id: str
    node: str
    device: str
    queues: tuple[str, ...]
    engine: str
    model_version: str
    slots: int
    epoch: int
    running: int
    seen_at: float
    alive: bool
    overdue: bool = False  # its lease ran out and nobody has taken it for dead yet
    model_loaded: bool = False
    gpu_memory_used: int | None = None
    gpu_memory_total: int | None = None
    gpu_busy: float | None = None
    temperature: float | None = None

    @property
    def retired(self) -> bool:
        """Whether it left of its own accord; nobody need miss it."""
        return not self.alive and not self.queues


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """The answer to a worker's sign of life. Not `alive`: its lease is lost, its jobs are others'."""

    alive: bool
    cancelled: frozenset[str] = field(default_factory=frozenset)
    old: frozenset[str] = field(default_factory=frozenset)  # what it runs for longer than a lease


@dataclass(frozen=True, kw_only=True)
class Release:
    """A job to be published: one message to `queue`."""

    job_id: str
    queue: str
    traceparent: str | None = None
    owner: str = "anonymous"


@dataclass(frozen=True, kw_only=True)
class Freed:
    """A job taken back from a worker; `ended` where it had no attempt left, or was cancelled."""

    job_id: str
    attempt: int
    worker: str | None
    ended: bool
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True)
class WebNode:
    """A web process as the gateway sees it."""

    node: str
    address: str
    healthy: bool
    reason: str | None
    seen_at: float


PartKind = Literal["gateway", "web", "dispatch", "worker"]


@dataclass(frozen=True, kw_only=True)
class PartReport:
    """What a process says of itself: `state` in a word or two, `reason` why it is not well, and `facts`."""

    id: str
    kind: PartKind
    node: str
    version: str
    state: str
    reason: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PartView(PartReport):
    """The same as the ledger keeps it."""

    seen_at: float
    cordoned: bool


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One line of a job's history."""

    job_id: str
    at: float
    state: JobState
    attempt: int
    worker: str | None = None
    epoch: int | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Canary:
    """What `tutti canary set v2 10%` asked for, and what became of it.

    Attributes:
        version: The model's version, as its workers name it in their queue `<model>@<version>`.
        percent: Share of the clients, 0 to 100.
        since: When it began.
        stopped_at: When it was stopped; it is off from then on.
        reason: Why it was stopped.
    """

    version: str
    percent: float
    since: float
    stopped_at: float | None = None
    reason: str | None = None

    @property
    def active(self) -> bool:
        """Whether clients are sent there now."""
        return self.stopped_at is None and self.percent > 0


@dataclass(kw_only=True)
class Sample:
    """Jobs of one lane that ended: how many, how many failed by a fault of ours, and at what pace."""

    jobs: int = 0
    failed: int = 0
    times: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Choice:
    """The adapter that an owner has chosen, whether it is heard now, and how strongly, 0..1."""

    adapter: str
    enabled: bool = True
    scale: float = 1.0


@dataclass(frozen=True)
class WebhookSecret:
    """When a secret was made and until when it holds; empty `key_id`: everyone's; no end: the newest."""

    key_id: str
    created_at: float
    expires_at: float | None = None
