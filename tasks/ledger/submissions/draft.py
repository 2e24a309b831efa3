"""A job on its way into the ledger, and what the steps of accepting find out about it."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.jobs import JobRequest
from tasks.ledger.values.records import Accepted, NewJob


@dataclass(kw_only=True)
class Draft:
    """A new job on its way into the ledger."""

    new: NewJob
    request: JobRequest  # with its seed
    fingerprint: str | None
    leader: str | None = None  # the job in flight whose audio it will share
    source: str | None = None  # the finished job whose audio it gets at once
    same_as: Draft | None = None  # the draft of this batch that holds its idempotency key
    answer: Accepted | Exception | None = None

    @property
    def queue(self) -> str:
        """Where it is released to first."""
        return self.new.preferred_queue or self.new.model_queue
