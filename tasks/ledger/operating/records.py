"""What is known of a canary, as plain data. Times are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass, field


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
