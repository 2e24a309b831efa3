"""What can go wrong.

TuttiError
├── Unreachable           nobody answers, however often it was tried
├── Refused               the server said no; `.problem` is its document, `.trace_id` finds it in its logs
│   ├── InvalidRequest    400, 413, 415, 422: change the request; `.fields` names what and why
│   ├── NotAllowed        401, 403: another key is needed
│   ├── NotFound          404, 410: a wrong id, or it has expired
│   ├── Conflict          409: too late for that, or the idempotency key was used for something else
│   ├── Busy              429, 502, 503, 504: again later; `.retry_after` says when
│   └── ServerFault       any other 5xx
├── JobEnded              the job made no song; `.job` is all about it
│   ├── JobFailed
│   └── JobCancelled
├── StillRunning          the wait is over, the job is not
├── BadAnswer             what came is not from Tutti, or from one too new for this client
└── Corrupt               a file is not what the server said, twice
"""

from __future__ import annotations

from collections.abc import Mapping

from tutti_client.models import Job, Problem


class TuttiError(Exception):
    """Whatever this client raises by itself."""


class Unreachable(TuttiError):
    """Nobody answers."""


class Refused(TuttiError):
    """The server said no."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def slug(self) -> str:
        """The last part of the problem's type, such as `quota_exceeded`; it never changes."""
        return self.problem.type.rsplit("/", 1)[-1]

    @property
    def trace_id(self) -> str | None:
        """Finds this request in the server's logs."""
        return self.problem.trace_id


class InvalidRequest(Refused):
    """The request has to change."""

    @property
    def fields(self) -> Mapping[str, str]:
        """Each wrong field and what is wrong with it."""
        return {error.field: error.detail for error in self.problem.errors or ()}


class NotAllowed(Refused):
    """Another key is needed."""


class NotFound(Refused):
    """There is no such thing, or not any more."""


class Conflict(Refused):
    """The state of things does not allow it."""


class Busy(Refused):
    """Not now."""


class ServerFault(Refused):
    """The server broke."""


class JobEnded(TuttiError):
    """The job made no song."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.error.detail if job.error else f"the job has {job.state}")
        self.job = job

    @property
    def error_class(self) -> str | None:
        """Why, in the server's word, such as `out_of_memory`."""
        return self.job.error.class_ if self.job.error else None


class JobFailed(JobEnded):
    """It failed."""


class JobCancelled(JobEnded):
    """Somebody cancelled it."""


class StillRunning(TuttiError):
    """The wait is over, the job is not; `.job_id` is good for another."""

    def __init__(self, job_id: str, seconds: float) -> None:
        super().__init__(f"{job_id} has not ended in {seconds:g} s; it goes on")
        self.job_id = job_id


class BadAnswer(TuttiError):
    """It cannot be read as an answer of Tutti's."""


class Corrupt(TuttiError):
    """A file is not what the server said."""


_KINDS: Mapping[int, type[Refused]] = {
    400: InvalidRequest, 413: InvalidRequest, 415: InvalidRequest, 422: InvalidRequest,
    401: NotAllowed, 403: NotAllowed,
    404: NotFound, 410: NotFound,
    409: Conflict,
    429: Busy, 502: Busy, 503: Busy, 504: Busy,
}  # fmt: skip


def kind_of(status: int) -> type[Refused]:
    """The exception for a status."""
    return _KINDS.get(status, ServerFault if status >= 500 else Refused)
