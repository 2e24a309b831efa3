"""What both clients know of HTTP, without sending anything: retries, answers, server-sent events, ranges."""

from __future__ import annotations

import datetime as dt
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from tutti_client.errors import BadAnswer, Refused, Unreachable, kind_of
from tutti_client.models import Job, Problem

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT = httpx.Timeout(30.0, read=60.0)
QUIET = 45.0  # seconds without a byte after which a stream is dead: the server sends a comment each 15
AGAIN = frozenset({408, 425, 429, 502, 503, 504})
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_WAIT = 0.5, 20.0, 120.0
PART = ".part"
BINARY = "application/octet-stream"
# This machine is reached straight, whatever `http_proxy` says: a proxy elsewhere cannot find it.
STRAIGHT: Mapping[str, None] = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}
FINAL = frozenset({"succeeded", "failed", "cancelled"})
PROMPTS = 1.0, 5.0  # seconds between two looks at a job where events do not come: the first, the longest

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Update:
    """How a job stands. `job` is there with the last one, when it has ended."""

    state: str
    progress: float = 0.0
    stage: str | None = None
    position: int | None = None
    eta_seconds: float | None = None
    attempt: int = 0
    job: Job | None = None

    @classmethod
    def of(cls, job: Job) -> Update:
        """The same of a job that was looked at."""
        return cls(
            state=job.state,
            progress=1.0 if job.state == "succeeded" else job.progress,
            stage=job.stage,
            position=job.position,
            eta_seconds=job.eta_seconds,
            attempt=job.attempt,
            job=job if job.state in FINAL else None,
        )


class _Running(BaseModel):
    """The data of an event before the last."""

    state: str
    progress: float = 0.0
    stage: str | None = None
    position: int | None = None
    eta_seconds: float | None = None
    attempt: int = 0


def update_of(data: str) -> Update:
    """What an event says.

    Raises:
        BadAnswer: It says nothing that is known.
    """
    running = read(_Running, data)
    return Update.of(read(Job, data)) if running.state in FINAL else Update(**running.model_dump())


@dataclass
class Retries:
    """How long to wait before the next try, and when to stop trying.

    Args:
        most: Tries after the first.
    """

    most: int
    used: int = 0

    def pause(self, answer: httpx.Response | None) -> float | None:
        """Seconds to wait after this answer, or after none at all; None where it has to be taken as it is."""
        if answer is not None and answer.status_code not in AGAIN:
            return None
        if self.used >= self.most:
            return None
        told = retry_after(answer) if answer is not None else None
        if told is not None and told > LONGEST_WAIT:
            return None
        self.used += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (self.used - 1))
        pause *= random.uniform(0.5, 1.0)  # noqa: S311  so that many clients do not come back at once
        return max(pause, told or 0.0)


def retry_after(answer: httpx.Response) -> float | None:
    """The seconds that the server asks for: a number, or a date (RFC 9110)."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    now = dt.datetime.now(then.tzinfo)
    return max(0.0, (then - now).total_seconds())


def address_of(url: str) -> str:
    """A server's address without a slash at its end.

    Raises:
        Unreachable: It is none.
    """
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL:
        found = httpx.URL()
    if found.scheme not in {"http", "https"} or not found.host:
        raise Unreachable(f"{url!r} is no address of a server; it begins with http:// or https://")
    return url.rstrip("/")


def new_key() -> str:
    """An idempotency key of our own, so that a request sent twice is one job."""
    return f"client-{secrets.token_hex(16)}"


def require(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is a good one.

    Raises:
        Refused: One of its kinds, with the problem document.
    """
    if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
        return answer
    raise refusal(answer)


def refusal(answer: httpx.Response) -> Refused:
    """The exception for an answer that is an error; proxies in between do not write problem documents."""
    status = answer.status_code
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        detail = f"The server answered {status} {answer.reason_phrase}."
        problem = Problem(type="about:blank", title=answer.reason_phrase, status=status, detail=detail)
    return kind_of(status)(problem, retry_after(answer))


def read(model: type[Model], content: bytes | str) -> Model:
    """An answer's body.

    Raises:
        BadAnswer: It is something else.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        detail = f"the answer is not Tutti's, or this client is too old for it: {where}: {first['msg']}"
        raise BadAnswer(detail) from error


def headers_of(key: str | None, agent: str) -> Mapping[str, str]:
    """What every request carries."""
    return {"user-agent": agent} | ({"authorization": f"Bearer {key}"} if key else {})


@dataclass
class Events:
    """Reads server-sent events line by line (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    Our own, because the client is to need httpx and pydantic alone.
    """

    last_id: str | None = None
    retry: float | None = None
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> str | None:
        """Take one line without its end; the data of an event comes back when the line ends it."""
        if not line:
            data, self._data = "\n".join(self._data), []
            return data or None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self.last_id = value
        elif name == "retry" and value.isdigit():
            self.retry = int(value) / 1000
        return None

    def broken(self) -> None:
        """The connection is gone; half an event is none."""
        self._data.clear()
