"""What was shown of jobs that have ended, kept ready for those who ask again.

Such a job changes no more but by the loss of its audio, so what is kept is good for a moment only, and what
a job ended with is read again after it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from cachetools import TTLCache

from tasks.jobs import JobState

FRESH_SECONDS = 1.0
KEPT = 1_000  # answers, of about a kilobyte


class Shown:
    """One answer: its bytes, their ETag, the job's state, and the worker that made the songs."""

    __slots__ = ("body", "etag", "state", "worker")

    def __init__(self, body: bytes, state: JobState, worker: str | None = None) -> None:
        self.body, self.state, self.worker = body, state, worker
        self.etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


class EndedAnswers:
    """The last answers about jobs that have ended; one event loop's."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._kept: TTLCache[str, Shown] = TTLCache(KEPT, FRESH_SECONDS, timer=now)

    def get(self, job_id: str) -> Shown | None:
        """What was shown of the job a moment ago."""
        return self._kept.get(job_id)

    def keep(self, job_id: str, shown: Shown) -> None:
        """Keep an answer, and let go of the oldest beyond the bound."""
        self._kept[job_id] = shown
