"""The client for code without an event loop: `aio` without its async words.

Written by generate.py; do not edit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from tutti_client import files, wire
from tutti_client.errors import BadAnswer, Corrupt, JobCancelled, JobFailed, StillRunning, Unreachable
from tutti_client.fields import JobFields
from tutti_client.models import Accepted, Job, Output, Page, Upload
from tutti_client.version import AGENT
from tutti_client.wire import Update
from tutti_client.work import here

STREAMS_LOST = 3  # event streams in a row that told nothing, after which the job is looked at instead


class Tutti:
    """A Tutti server.

    Every call is tried again where the network or the server asks for it; a job is sent with an idempotency
    key, so it is made once. All errors are `tutti_client.errors.TuttiError`.

    Args:
        url: Where it is, such as `https://music.example.com`.
        key: An API key, where the server wants one.
        retries: How often a call is tried again.
        timeout: Seconds for a connection and for each part of an answer.
        transport: Another way to send requests, for tests and proxies.

    Raises:
        Unreachable: `url` is no address.
    """

    def __init__(
        self,
        url: str = wire.DEFAULT_URL,
        key: str | None = None,
        *,
        retries: int = 6,
        timeout: float | httpx.Timeout = wire.TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = wire.address_of(url)
        self._key, self._retries = key, retries
        self._http = httpx.Client(timeout=timeout, transport=transport, mounts=wire.STRAIGHT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def generate(
        self,
        prompt: str,
        *,
        save_to: str | Path | None = None,
        timeout: float | None = None,
        on_update: Callable[[Update], None] | None = None,
        **fields: Unpack[JobFields],
    ) -> Job:
        """Ask for music, wait for it, and fetch the songs.

        Args:
            prompt: What the music should be.
            save_to: Folder or file for the songs, as in `save`; none are fetched without it.
            timeout: Seconds to wait at most.
            on_update: Called with each news of the job.
            **fields: All else that a job may say.

        Raises:
            JobFailed: No song came of it; so does JobCancelled.
            StillRunning: The wait is over, the job is not.
        """
        accepted = self.submit(prompt, **fields)
        job = self.wait(accepted.id, timeout=timeout, on_update=on_update)
        if save_to is not None:
            self.save(job, save_to)
        return job

    def submit(
        self, prompt: str, *, idempotency_key: str | None = None, **fields: Unpack[JobFields]
    ) -> Accepted:
        """Ask for music. When this returns, the job is on the server's disk and will not be lost."""
        return self.submit_fields({"prompt": prompt, **fields}, idempotency_key=idempotency_key)

    def submit_fields(self, fields: Mapping[str, Any], *, idempotency_key: str | None = None) -> Accepted:
        """The same for fields that are known only at run time; the server checks them."""
        headers = {"idempotency-key": idempotency_key or wire.new_key()}
        answer = self._send("POST", "/v1/jobs", json=dict(fields), headers=headers)
        return wire.read(Accepted, answer.content)

    def get(self, job_id: str) -> Job:
        """All about one job."""
        answer = self._send("GET", _path(job_id))
        return wire.read(Job, answer.content)

    def jobs(self, *, state: str | None = None, page_size: int = 50) -> Iterator[Job]:
        """Your own jobs, newest first."""
        query = {"limit": str(page_size)} | ({"state": state} if state else {})
        while True:
            answer = self._send("GET", "/v1/jobs", params=query)
            page = wire.read(Page, answer.content)
            yield from page.jobs
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor

    def cancel(self, job_id: str) -> Job:
        """Stop a job. One that is cancelled already stays so; one that has ended is a Conflict."""
        answer = self._send("POST", _path(job_id, "cancel"))
        return wire.read(Job, answer.content)

    def retry(self, job_id: str) -> Accepted:
        """Ask again for what a failed or cancelled job asked for; it is a new job."""
        headers = {"idempotency-key": wire.new_key()}
        answer = self._send("POST", _path(job_id, "retry"), headers=headers)
        return wire.read(Accepted, answer.content)

    def upload(self, audio: str | Path | bytes, media_type: str = wire.BINARY) -> Upload:
        """Send audio; its `id` is a `source_audio` or `reference_audio`. Twice the same is kept once."""
        content = audio if isinstance(audio, bytes) else here(Path(audio).read_bytes)
        typed = {"content-type": media_type}
        answer = self._send("POST", "/v1/uploads", content=content, headers=typed)
        return wire.read(Upload, answer.content)

    def wait(
        self,
        job_id: str,
        *,
        timeout: float | None = None,
        on_update: Callable[[Update], None] | None = None,
    ) -> Job:
        """Wait for the end of a job.

        Raises:
            JobFailed: No song came of it; so does JobCancelled.
            StillRunning: The wait is over, the job is not.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with closing(self._watch(job_id, deadline)) as updates:
            for update in updates:
                if on_update is not None:
                    on_update(update)
                if update.job is not None:
                    return _succeeded(update.job)
        raise StillRunning(job_id, timeout or 0.0)

    def watch(self, job_id: str) -> Generator[Update, None, None]:
        """A job's news as they come, until its end: the last one carries the job.

        They come as server-sent events; a connection that breaks is made anew, and where events do not get
        through at all, the job is looked at every few seconds.
        """
        with closing(self._watch(job_id, None)) as updates:
            yield from updates

    def _watch(self, job_id: str, deadline: float | None) -> Generator[Update, None, None]:
        events, lost = wire.Events(), 0
        while lost < STREAMS_LOST and not _over(deadline):
            heard = False
            with closing(self._listen(job_id, events, deadline)) as updates:
                for update in updates:
                    heard = True
                    yield update
                    if update.job is not None:
                        return
            lost = 0 if heard else lost + 1
            time.sleep(_until(deadline, events.retry if heard else wire.FIRST_PAUSE))
        pause, longest = wire.PROMPTS
        while not _over(deadline):
            update = Update.of(self.get(job_id))
            yield update
            if update.job is not None:
                return
            time.sleep(_until(deadline, pause))
            pause = min(longest, pause * 1.5)

    def _listen(
        self, job_id: str, events: wire.Events, deadline: float | None
    ) -> Generator[Update, None, None]:
        """One stream of events, until it breaks or the time is over."""
        headers = self._headers({"accept": "text/event-stream"})
        if events.last_id:
            headers["last-event-id"] = events.last_id
        quiet = min(wire.QUIET, _until(deadline, wire.QUIET) or 0.001)
        try:
            address = f"{self.url}{_path(job_id, 'events')}"
            limits = httpx.Timeout(quiet, read=quiet)
            with self._http.stream("GET", address, headers=headers, timeout=limits) as answer:
                if answer.status_code in {401, 403, 404}:
                    answer.read()
                    raise wire.refusal(answer)
                if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                    return
                for line in answer.iter_lines():
                    if (data := events.feed(line)) is not None:
                        yield wire.update_of(data)
                    if _over(deadline):
                        return
        except (httpx.TransportError, httpx.DecodingError):
            return
        finally:
            events.broken()

    def save(self, job: Job, to: str | Path) -> list[Path]:
        """Fetch all songs of a job; their paths.

        Args:
            job: One that has succeeded.
            to: A folder, which is made where it is missing, or a file (a name with an ending); variations
                beside the first get `-2`, `-3` before the ending.
        """
        songs = files.songs_of(job)
        places = here(lambda: files.places_of(songs, Path(to)))
        return [self.download(song, place) for song, place in zip(songs, places, strict=True)]

    def download(self, output: Output, to: str | Path) -> Path:
        """Fetch one file. What broke off goes on where it stopped; what is there already is not fetched.

        Args:
            output: One of a job's outputs.
            to: The file's path.

        Raises:
            Corrupt: Its SHA-256 is not what the server promised, twice.
        """
        partial = files.Partial(Path(to), output)
        if here(lambda: partial.there):
            return partial.place
        try:
            return self._fetch(partial)
        except Corrupt:
            return self._fetch(partial)

    def _fetch(self, partial: files.Partial) -> Path:
        retries = wire.Retries(self._retries)
        while not partial.whole:
            before, answer, error = partial.length, None, None
            try:
                answer = self._append(partial)
            except httpx.TransportError as broken:
                error = broken
            if partial.length > before:
                retries.used = 0  # it gets on
                continue
            refused = answer if answer is not None and not answer.is_success else None
            pause = retries.pause(refused)
            if pause is None:
                raise wire.refusal(refused) if refused is not None else _unreachable(self.url, error)
            time.sleep(pause)
        return here(partial.finish)

    def _append(self, partial: files.Partial) -> httpx.Response:
        """Ask once for what is missing and write what comes."""
        if partial.output.url is None:
            raise BadAnswer(f"the server gives no link to {partial.output.name}: it is another key's")
        address = self._address(partial.output.url)
        headers = self._headers(partial.headers(), address)
        with self._http.stream("GET", address, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
                return answer
            with here(lambda: partial.open(answer)) as file:
                for block in answer.iter_raw(files.BLOCK):
                    here(partial.writing(file, block))
        return answer

    def _address(self, link: str) -> str:
        """A link of the server's as an address; below a prefix, its links carry the prefix already."""
        if "://" in link:
            return link
        prefix = httpx.URL(self.url).path.rstrip("/")
        known = prefix and link.startswith(f"{prefix}/")
        return f"{self.url.removesuffix(prefix) if known else self.url}{link}"

    def _headers(self, more: Mapping[str, str], address: str | None = None) -> dict[str, str]:
        """Who we are; the key goes to no other server than this one."""
        key = self._key if address is None or _same_origin(address, self.url) else None
        return {**wire.headers_of(key, AGENT), **more}

    def _send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request until it is answered for good. The very same bytes are sent each time."""
        request = self._http.build_request(
            method,
            f"{self.url}{path}",
            json=json,
            content=content,
            params=params,
            headers=self._headers(headers or {}),
        )
        retries = wire.Retries(self._retries)
        while True:
            try:
                answer = self._http.send(request)
            except (httpx.TransportError, httpx.DecodingError) as error:
                pause = retries.pause(None)
                if pause is None:
                    raise _unreachable(self.url, error) from error
            else:
                pause = retries.pause(answer)
                if pause is None:
                    return wire.require(answer)
            time.sleep(pause)


def _path(job_id: str, rest: str = "") -> str:
    if not files.NAME.match(job_id):
        raise ValueError(f"{job_id!r} is not a job's id")
    return f"/v1/jobs/{job_id}" + (f"/{rest}" if rest else "")


def _same_origin(one: str, other: str) -> bool:
    first, second = httpx.URL(one), httpx.URL(other)
    return (first.scheme, first.host, first.port) == (second.scheme, second.host, second.port)


def _over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline


def _until(deadline: float | None, seconds: float | None) -> float:
    """These seconds, or fewer where the time is over before."""
    seconds = wire.FIRST_PAUSE if seconds is None else seconds
    return seconds if deadline is None else max(0.0, min(seconds, deadline - time.monotonic()))


def _succeeded(job: Job) -> Job:
    if job.state == "failed":
        raise JobFailed(job)
    if job.state == "cancelled":
        raise JobCancelled(job)
    return job


def _unreachable(url: str, error: Exception | None) -> Unreachable:
    why = f" ({type(error).__name__})" if error is not None else ""
    return Unreachable(f"{url} does not answer{why}; is the address right?")
