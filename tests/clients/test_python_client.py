"""The Python client, in both its forms, against a real web process with a worker."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

import tutti_client
from tests.clients.conftest import until
from tests.servers.player import tone
from tests.servers.served import Served
from tests.servers.workers import eventually
from tutti_client import AsyncTutti, Tutti, Update


class Waiting:
    """The asynchronous client asked from code without an event loop, so that one test serves both."""

    def __init__(self, url: str, key: str | None = None, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncTutti(url, key, **options)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = found(*args, **kwargs)
            if hasattr(result, "__anext__"):
                return self._all(result)
            return self._loop.run_until_complete(asyncio.wait_for(result, 240))

        return call

    def _all(self, found: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._loop.run_until_complete(asyncio.wait_for(anext(found), 240))
            except StopAsyncIteration:
                return

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


@pytest.fixture(params=[Tutti, Waiting], ids=["sync", "async"])
def client(request: pytest.FixtureRequest, server: Served) -> Iterator[Callable[..., Any]]:
    """Opens a client; without a URL of the server itself."""
    opened = []

    def connect(url: str = "", key: str | None = None, **options: Any) -> Any:
        opened.append(request.param(url or server.url, key, **options))
        return opened[-1].__enter__()

    yield connect
    for one in opened:
        one.__exit__(None, None, None)


def test_a_song_from_a_prompt_to_the_disk(client, tmp_path: Path) -> None:
    seen: list[Update] = []
    job = client().generate(
        "a plain tone", duration=5, variations=2, seed=1, save_to=tmp_path / "songs", on_update=seen.append
    )
    assert job.state == "succeeded"
    assert [update.state for update in seen][-1] == "succeeded"
    files = sorted((tmp_path / "songs").iterdir())
    assert [file.name for file in files] == sorted(output.name for output in job.outputs)
    for output in job.outputs:
        content = (tmp_path / "songs" / output.name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == output.sha256


def test_variations_beside_one_file_name(client, tmp_path: Path) -> None:
    client().generate("a plain tone", duration=5, variations=2, save_to=tmp_path / "a.wav")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a-2.wav", "a.wav"]


def test_list_get_and_cancel(client, tmp_path: Path) -> None:
    tutti = client()
    accepted = tutti.submit(until(tmp_path / "never"), duration=5)
    assert tutti.get(accepted.id).request.duration == 5
    assert accepted.id in [job.id for job in tutti.jobs(page_size=1)]
    assert tutti.cancel(accepted.id).id == accepted.id
    with pytest.raises(tutti_client.JobCancelled) as ended:
        tutti.wait(accepted.id, timeout=120)
    assert ended.value.job.id == accepted.id
    again = tutti.retry(accepted.id)
    assert again.id != accepted.id
    tutti.cancel(again.id)
    assert {job.id for job in tutti.jobs(state="cancelled")} >= {accepted.id}


def test_upload_is_kept_once(client, tmp_path: Path) -> None:
    audio = tmp_path / "tone.wav"
    audio.write_bytes(tone(6))
    tutti = client()
    first, second = tutti.upload(audio), tutti.upload(audio.read_bytes(), "audio/wav")
    assert first.id == second.id == hashlib.sha256(audio.read_bytes()).hexdigest()
    assert tutti.submit("a cover of it", task_type="cover", source_audio=first.id).id


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda tutti: tutti.submit("abc"), tutti_client.InvalidRequest),
        (lambda tutti: tutti.submit_fields({"prompt": "a tone", "tempo": 5}), tutti_client.InvalidRequest),
        (lambda tutti: tutti.get("a_00000000000000000000000000"), tutti_client.NotFound),
        (lambda tutti: list(tutti.watch("a_00000000000000000000000000")), tutti_client.NotFound),
    ],
)
def test_refusals_are_exceptions(client, ask, kind: type[tutti_client.Refused]) -> None:
    with pytest.raises(kind) as refused:
        ask(client())
    assert refused.value.trace_id
    assert refused.value.problem.detail == str(refused.value)
    if kind is tutti_client.InvalidRequest:
        assert len(refused.value.fields) == 1


def test_a_failed_job_is_an_exception_with_its_reason(client) -> None:
    with pytest.raises(tutti_client.JobFailed) as failed:
        client().generate("a tone to refuse refuse now", duration=5)
    assert failed.value.error_class == "invalid_request"
    assert "does not make that" in str(failed.value)


def test_a_used_idempotency_key_is_a_conflict(client) -> None:
    tutti = client()
    key = f"k{time.time_ns()}"
    first = tutti.submit("a plain tone", duration=5, idempotency_key=key)
    assert tutti.submit("a plain tone", duration=5, idempotency_key=key).id == first.id
    with pytest.raises(tutti_client.Conflict):
        tutti.submit("another tone", duration=5, idempotency_key=key)


def test_nobody_there(client) -> None:
    with pytest.raises(tutti_client.Unreachable, match="does not answer"):
        client("http://127.0.0.1:9", retries=1).get("a_00000000000000000000000000")


def test_an_answer_that_was_lost_makes_no_second_job(client, server: Served, tmp_path: Path) -> None:
    """The connection is cut after the server has taken the job and before its answer arrives."""
    before = {job.id for job in client().jobs()}
    server.proxy.delay = 0.5
    threading.Timer(0.75, server.proxy.reset).start()
    accepted = client(server.far, retries=10).submit(until(tmp_path / "never"), duration=5)
    sent = [line for line in server.requests("/v1/jobs") if line["http"]["request"]["method"] == "POST"]
    made = {job.id for job in client().jobs()} - before
    client().cancel(accepted.id)
    assert made == {accepted.id}
    assert len(sent) >= 2


def test_watching_outlives_cuts(client, server: Served, tmp_path: Path) -> None:
    tutti = client(server.far, retries=10)
    job_id = tutti.submit(until(tmp_path / "go"), duration=5).id
    updates = tutti.watch(job_id)
    next(updates)
    server.proxy.reset()
    (tmp_path / "go").touch()
    last = list(updates)[-1]
    assert (last.state, last.job.id) == ("succeeded", job_id)
    assert len(server.requests(f"/v1/jobs/{job_id}/events")) >= 2


def test_watching_where_events_are_held_back(client, server: Served, tmp_path: Path, monkeypatch) -> None:
    """Some proxies hold a stream back until it ends: the job is looked at instead."""
    monkeypatch.setattr(tutti_client.wire, "QUIET", 0.3)
    tutti = client(transport=Held() if client_is_sync(client) else AsyncHeld())
    job_id = tutti.submit(until(tmp_path / "go"), duration=5).id
    updates = tutti.watch(job_id)
    assert next(updates).state in {"queued", "running"}
    (tmp_path / "go").touch()
    assert list(updates)[-1].state == "succeeded"
    assert server.requests(f"/v1/jobs/{job_id}")


def test_the_time_to_wait_is_kept(client, tmp_path: Path) -> None:
    tutti = client()
    job_id = tutti.submit(until(tmp_path / "never"), duration=5).id
    with pytest.raises(tutti_client.StillRunning) as waited:
        tutti.wait(job_id, timeout=0.5)
    assert waited.value.job_id == job_id
    tutti.cancel(job_id)


def test_a_download_goes_on_where_it_broke_off(client, server: Served, tmp_path: Path) -> None:
    job = client().generate("a plain tone", duration=20)
    song, part = tmp_path / "song.wav", tmp_path / "song.wav.part"
    server.proxy.delay = 0.2
    cutter = threading.Thread(
        target=lambda: (eventually(lambda: part.exists() and part.stat().st_size), server.proxy.reset())
    )
    cutter.start()
    client(server.far, retries=10).save(job, song)
    cutter.join()
    assert hashlib.sha256(song.read_bytes()).hexdigest() == job.outputs[0].sha256
    assert not part.exists()
    statuses = [line["http"]["response"]["status_code"] for line in server.requests(job.outputs[0].url)]
    assert 206 in statuses
    client().save(job, song)  # it is there: nothing is fetched
    assert len(server.requests(job.outputs[0].url)) == len(statuses)


def test_a_wrong_beginning_is_thrown_away(client, tmp_path: Path) -> None:
    job = client().generate("a plain tone", duration=5)
    (tmp_path / "song.wav.part").write_bytes(b"not this song")
    client().save(job, tmp_path / "song.wav")
    assert hashlib.sha256((tmp_path / "song.wav").read_bytes()).hexdigest() == job.outputs[0].sha256


def test_a_file_that_is_not_what_was_promised_is_not_kept(client, tmp_path: Path) -> None:
    job = client().generate("a plain tone", duration=5)
    lie = job.outputs[0].model_copy(update={"sha256": "0" * 64})
    with pytest.raises(tutti_client.Corrupt):
        client().download(lie, tmp_path / "song.wav")
    assert list(tmp_path.iterdir()) == []


def test_names_from_the_server_are_no_paths(client, tmp_path: Path) -> None:
    job = client().generate("a plain tone", duration=5)
    job.outputs[0].name = "../escaped.wav"
    with pytest.raises(tutti_client.BadAnswer):
        client().save(job, tmp_path / "songs")
    assert not (tmp_path / "escaped.wav").exists()


def test_the_key_stays_with_its_server(client, tmp_path: Path) -> None:
    """A song may lie elsewhere; whoever runs that place has no business with the key."""
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, stream=httpx.ByteStream(b"abc"))

    output = tutti_client.Output(
        url="http://elsewhere.test/a.wav", name="a.wav", format="wav", seconds=1.0, bytes=3,
        sha256=hashlib.sha256(b"abc").hexdigest(),
    )  # fmt: skip
    tutti = client("http://here.test", "tutti_secret", transport=httpx.MockTransport(answer))
    tutti.download(output, tmp_path / "a.wav")
    tutti.download(output.model_copy(update={"url": "/output/a.wav"}), tmp_path / "b.wav")
    assert seen == [None, "Bearer tutti_secret"]


@pytest.mark.parametrize("prefix", ["", "/music"])
def test_links_are_asked_for_where_the_server_is(client, tmp_path: Path, prefix: str) -> None:
    """Below a prefix that the server knows its links carry it; below a proxy's own, they do not."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, stream=httpx.ByteStream(b"abc"))

    output = tutti_client.Output(
        url=f"{prefix}/output/a.wav", name="a.wav", format="wav", seconds=1.0, bytes=3,
        sha256=hashlib.sha256(b"abc").hexdigest(),
    )  # fmt: skip
    client("http://here.test/music/", transport=httpx.MockTransport(answer)).download(output, tmp_path / "a")
    assert seen == ["http://here.test/music/output/a.wav"]


@pytest.mark.parametrize("url", ["music.test", "ftp://music.test", "http://", "http://[::1", ""])
def test_what_is_no_address_is_said_at_once(client, url: str) -> None:
    with pytest.raises(tutti_client.Unreachable, match="no address"):
        client(url or " ")


LINKS = dict.fromkeys(("self", "events", "cancel", "retry", "page"), "/")


class Answers:
    """A server that answers by a list: a status with its headers, or a connection that is dropped."""

    def __init__(self, *plan: tuple[int, dict[str, str]] | None) -> None:
        self.plan, self.keys = list(plan), []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                outer.keys.append(self.headers["idempotency-key"])
                step = outer.plan.pop(0)
                if step is None:  # it was taken, and nobody hears of it
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                body = json.dumps({"id": "a_1", "state": "queued", "links": LINKS}).encode()
                self.send_response(step[0])
                for name, value in {"content-length": str(len(body)), **step[1]}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.mark.parametrize(
    ("plan", "kind"),
    [
        ([(503, {"retry-after": "0"}), None, (502, {}), (202, {})], None),
        ([(429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), (202, {})], None),
        ([(202, {"content-encoding": "gzip"}), (202, {})], None),  # an answer that was torn on its way
        ([(503, {"retry-after": "86400"})], tutti_client.Busy),  # nobody waits for a day
        ([(422, {})], tutti_client.Refused),
        ([(302, {"location": "/elsewhere"})], tutti_client.Refused),
    ],
)
def test_each_try_carries_one_key(client, plan: list[Any], kind: type[Exception] | None) -> None:
    server = Answers(*plan)
    try:
        if kind is None:
            assert client(server.url).submit("a plain tone").id == "a_1"
        else:
            with pytest.raises(kind):
                client(server.url).submit("a plain tone")
    finally:
        server.close()
    assert server.plan == []
    assert len(server.keys) == len(plan)
    assert len(set(server.keys)) == 1


def test_a_web_process_that_restarts_is_waited_for(client, server: Served, tmp_path: Path) -> None:
    tutti = client(retries=10)
    job_id = tutti.submit(until(tmp_path / "go"), duration=5).id
    updates = tutti.watch(job_id)
    next(updates)
    server.restart_web()
    (tmp_path / "go").touch()
    assert list(updates)[-1].state == "succeeded"


def client_is_sync(connect: Callable[..., Any]) -> bool:
    return isinstance(connect(), Tutti)


class Held(httpx.HTTPTransport):
    """A way on which streams of events never begin."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            raise httpx.ReadTimeout("held back", request=request)
        return super().handle_request(request)


class AsyncHeld(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            raise httpx.ReadTimeout("held back", request=request)
        return await super().handle_async_request(request)


@pytest.fixture
def proxy() -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that hangs up, and what it was asked for."""
    asked: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = listening.accept()
                asked.append(one.recv(100))
                one.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1], asked


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_this_machine_is_reached_straight_whatever_a_proxy_variable_says(
    client, name: str, host: str, server: Served, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    port, asked = proxy
    monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    list(client(server.url.replace("127.0.0.1", host)).jobs())
    assert asked == []
    scheme = "https" if name == "https_proxy" else "http"
    with pytest.raises(tutti_client.Unreachable):
        list(client(f"{scheme}://music.example", retries=0).jobs())
    assert asked  # elsewhere the variable counts
