"""Every refusal of a job leaves one line: who asked, why not, and under which trace, whoever refused it."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.ledger import Quota
from tasks.ledger.keys import Keys
from tests.ledgers import accept
from tests.servers import disk
from tests.servers.front import GOOD, Front, standing_front
from tests.servers.gateway import member, until
from tests.servers.postgresql import Postgresql
from tests.servers.web import process

JOBS = "/v1/jobs"
QUEUED = 60  # jobs that may wait
HTML = {"Accept": "text/html"}
ADDRESSES = (f"127.{second}.{third}.1" for second, third in itertools.product(range(20, 90), range(1, 250)))


@dataclass
class Person:
    """Somebody with an address and a key of their own."""

    front: Front
    keys: Keys
    source: str = field(default_factory=lambda: next(ADDRESSES))

    def client(self, *, key: str | None = None, direct: bool = False, **headers: str) -> httpx.Client:
        own = {"Authorization": f"Bearer {key or self.key()}"} if key != "" else {}
        return self.front.client(direct=direct, source=self.source, headers=own | headers)

    def key(self, *scopes: Any, **quota: Any) -> str:
        return self.keys.add("somebody", scopes or ("jobs",), Quota(**quota))[1]

    def post(
        self, path: str = JOBS, *, key: str | None = None, direct: bool = False, **how: Any
    ) -> httpx.Response:
        """Send a job that is good but for what `how` changes."""
        headers = how.pop("headers", {})
        if not how.keys() & {"content", "data"}:
            how.setdefault("json", GOOD)
        with self.client(key=key, direct=direct, **headers) as client:
            return client.post(path, **how)

    def raw(self, text: bytes) -> None:
        """Send bytes as they are, and read until the server ends it."""
        with socket.create_connection(
            ("127.0.0.1", self.front.port), timeout=30, source_address=(self.source, 0)
        ) as raw:
            raw.sendall(text)
            with contextlib.suppress(ConnectionResetError):
                while raw.recv(65_536):
                    pass


def lines(front: Front) -> list[dict[str, Any]]:
    """What nginx and the web nodes wrote of refusals."""
    found = []
    for name in ("nginx.jsonl", "web.jsonl"):
        written = (front.data / "log" / name).read_bytes().splitlines()
        found += [json.loads(line.decode(errors="replace")) for line in written]
    return [line for line in found if line["event"].get("action", "").endswith(".refused")]


def the_line(front: Front, **holds: str) -> dict[str, Any]:
    """The one line in which these members are so: there is no second one."""

    def found() -> list[dict[str, Any]]:
        return [
            line for line in lines(front) if all(member(line, name) == value for name, value in holds.items())
        ]

    (line,) = until(found, f"a line with {holds}", 20)
    return dict(line)


Provoke = Callable[[Person], httpx.Response | None]


def fast(path: str = JOBS, before: str = JOBS, **how: Any) -> Provoke:
    """Ask until it is too fast."""

    def provoke(person: Person) -> httpx.Response:
        more = {"key": person.key()} | how
        for _ in range(3):
            person.post(before, **more)
        return until(lambda: (answer := person.post(path, **more)).status_code == 429 and answer, "429", 20)

    return provoke


def many_addresses_with_one_key(person: Person) -> httpx.Response:
    key, others = person.key(), [Person(person.front, person.keys) for _ in range(3)]
    assert [other.post(key=key).status_code for other in others] == [202] * 3
    return person.post(key=key)


def too_many_at_once(person: Person) -> httpx.Response:
    job = person.post().json()["id"]
    with person.client() as client, contextlib.ExitStack() as streams:
        for _ in range(3):
            stream = streams.enter_context(client.stream("GET", f"{JOBS}/{job}/events"))
            assert stream.status_code == 200
        return person.post()


def sends(**how: Any) -> Provoke:
    return lambda person: person.post(**how)


def says(text: bytes) -> Provoke:
    return lambda person: person.raw(text.replace(b"KEY", person.key().encode()))


def used_key_with_another_body(person: Person) -> httpx.Response:
    key, headers = person.key(), {"Idempotency-Key": person.source}
    assert person.post(key=key, headers=headers).status_code == 202
    return person.post(key=key, headers=headers, json=GOOD | {"duration": 20})


def beyond(**quota: Any) -> Provoke:
    def provoke(person: Person) -> httpx.Response:
        key = person.key(**quota)
        assert person.post(key=key).status_code == 202
        return person.post(key=key)

    return provoke


def full_queue(person: Person) -> httpx.Response:
    mine = accept(person.front.ledger, QUEUED)
    try:
        return person.post()
    finally:
        for job in mine:
            person.front.ledger.submissions.cancel(job)


def retry_of_a_waiting_job(person: Person) -> httpx.Response:
    key = person.key()
    job = person.post(key=key).json()["id"]
    return person.post(f"{JOBS}/{job}/retry", key=key, content=b"")


@dataclass(frozen=True)
class Kind:
    """One way to be refused: how to come to it, who refuses, and with what."""

    provoke: Provoke
    by: str
    status: int | None  # None: no answer is waited for
    reason: str
    action: str = "job.refused"


WITHOUT = {"key": ""}
HEAD = b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nX-API-Key: KEY\r\n"
KINDS = {
    "too fast for its address": Kind(fast(), "nginx", 429, "rate_limited"),
    "too fast through another door": Kind(fast("/generate"), "nginx", 429, "rate_limited"),
    "too fast, with an Idempotency-Key": Kind(
        fast(headers={"Idempotency-Key": "k"}), "nginx", 429, "rate_limited"
    ),
    "a body beyond the limit, with an Idempotency-Key": Kind(
        sends(content=b"x" * 1_200_000, headers={"Idempotency-Key": "k"}), "nginx", 413, "body_too_large"
    ),
    "no key, with an Idempotency-Key": Kind(
        sends(headers={"Idempotency-Key": "k"}, **WITHOUT), "nginx", 401, "unauthorized"
    ),
    "too fast for its key": Kind(many_addresses_with_one_key, "nginx", 429, "rate_limited"),
    "too fast, without nginx": Kind(fast(direct=True), "web", 429, "rate_limited"),
    "too many open requests": Kind(too_many_at_once, "nginx", 429, "too_many_connections"),
    "a body beyond the limit": Kind(sends(content=b"x" * 1_200_000), "nginx", 413, "body_too_large"),
    "JSON beyond its limit": Kind(
        sends(json=GOOD | {"lyrics": "a" * 200_000}), "nginx", 413, "body_too_large"
    ),
    "a body that never comes": Kind(
        says(HEAD + b"Content-Length: 99\r\n\r\n{"), "nginx", None, "client_too_slow"
    ),
    "headers that never end": Kind(says(HEAD + b"X-Slow: "), "nginx", None, "client_too_slow"),
    "headers too large": Kind(
        says(HEAD + b"X-Big: " + b"a" * 9_000 + b"\r\n\r\n"), "nginx", None, "bad_request"
    ),
    "an address too long": Kind(
        says(b"POST /v1/jobs?" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"), "nginx", None, "bad_request"
    ),
    "no Host": Kind(says(b"POST /v1/jobs HTTP/1.1\r\n\r\n"), "nginx", None, "bad_request"),
    "no key": Kind(sends(**WITHOUT), "nginx", 401, "unauthorized"),
    "a bad key": Kind(sends(key="tutti_00000000_" + "0" * 32), "nginx", 401, "unauthorized"),
    "a bad key, without nginx": Kind(sends(direct=True, **WITHOUT), "web", 401, "unauthorized"),
    "a key that only reads": Kind(
        lambda person: person.post(key=person.key("read")), "web", 403, "forbidden"
    ),
    "another site's page": Kind(sends(headers={"Sec-Fetch-Site": "cross-site"}), "web", 403, "forbidden"),
    "a forged form": Kind(sends(path="/songs", data={"prompt": "a calm song"}), "web", 403, "forbidden"),
    "jobs a day": Kind(beyond(jobs_a_day=1), "web", 429, "quota_exceeded"),
    "seconds a day": Kind(beyond(seconds_a_day=15), "web", 429, "quota_exceeded"),
    "jobs at once": Kind(beyond(concurrent=1), "web", 429, "quota_exceeded"),
    "a full queue": Kind(full_queue, "web", 503, "queue_full"),
    "a wrong value": Kind(sends(json=GOOD | {"duration": -1}), "web", 422, "invalid_request"),
    "a wrong value in ACE-Step's words": Kind(
        sends(path="/release_task", json={"prompt": ""}), "web", 422, "invalid_request"
    ),
    "no JSON": Kind(
        sends(content=b"{", headers={"Content-Type": "application/json"}), "web", 400, "invalid_json"
    ),
    "another type": Kind(sends(content=b"{}"), "web", 415, "unsupported_media_type"),
    "an upload of text": Kind(sends(path="/v1/uploads"), "web", 415, "unsupported_media_type"),
    "an empty upload": Kind(
        sends(path="/v1/uploads", content=b"", headers={"Content-Type": "audio/wav"}),
        "web",
        400,
        "bad_request",
    ),
    "a bad Idempotency-Key": Kind(sends(headers={"Idempotency-Key": "a b"}), "web", 400, "bad_request"),
    "a used Idempotency-Key": Kind(used_key_with_another_body, "web", 409, "idempotency_conflict"),
    "a retry too early": Kind(retry_of_a_waiting_job, "web", 409, "wrong_state"),
    "a retry of nothing": Kind(sends(path=f"{JOBS}/none/retry", content=b""), "web", 404, "unknown_job"),
    "too many keys tried": Kind(
        fast("/login", "/login", data={}, **WITHOUT), "nginx", 429, "rate_limited", "login.refused"
    ),
    "too many keys tried, without nginx": Kind(
        fast("/login", "/login", data={}, direct=True, **WITHOUT), "web", 429, "rate_limited", "login.refused"
    ),
}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    options = {
        "keys": "on",
        "rate_limit": "2r/m burst=2",
        "login_limit": "2r/m burst=2",
        "connection_limit": "3",
        "client_timeout": "1",
        "max_body_megabytes": "1",
        "max_queued": str(QUEUED),
        "hosts": "a",
        "trusted_proxies": "127.0.0.1",  # the gateway, for the web node that listens on a port
    }
    with standing_front(tmp_path_factory.mktemp("refusals"), **options) as built:
        yield built


@pytest.fixture(scope="module")
def keys(front: Front) -> Keys:
    return front.ledger.keys


@pytest.mark.parametrize("name", KINDS)
def test_a_refusal_leaves_one_line_with_address_reason_and_trace(name: str, front: Front, keys: Keys) -> None:
    kind, person = KINDS[name], Person(front, keys)
    answer = kind.provoke(person)
    told = {"trace__id": answer.headers["x-trace-id"]} if answer is not None else {}
    line = the_line(front, source__ip=person.source, **told)
    assert (line["service"]["name"], line["event"]["action"]) == (f"tutti-{kind.by}", kind.action)
    assert (line["tutti"]["reason"], line["event"]["outcome"]) == (kind.reason, "failure")
    assert len(line["trace"]["id"]) == 32
    assert kind.status == (answer.status_code if answer is not None else None)
    if answer is not None:
        assert answer.headers["content-type"].split(";")[0] in {"application/problem+json", "text/html"}
        assert answer.headers["x-content-type-options"] == "nosniff"
    if answer is not None and kind.status in {429, 503}:
        assert int(answer.headers["retry-after"]) >= 1


def test_what_is_taken_or_only_looked_at_leaves_no_such_line(front: Front, keys: Keys) -> None:
    person = Person(front, keys)
    with person.client() as client:
        job = client.post(JOBS, json=GOOD).json()["id"]
        for path in (f"{JOBS}/{job}", "/nothing", "/login", "/songs/none", f"{JOBS}/none"):
            client.get(path)
    with person.client(key="") as client:
        assert client.get(JOBS).status_code == 401
    last = Person(front, keys)
    last.post(key="")
    the_line(front, source__ip=last.source)  # so that those before it are written
    assert [line for line in lines(front) if line["source"]["ip"] == person.source] == []


@pytest.mark.parametrize("direct", [False, True])
def test_a_key_that_does_not_hold_at_login_leaves_a_line(front: Front, keys: Keys, direct: bool) -> None:
    person = Person(front, keys)
    with person.client(key="", direct=direct, **HTML) as browser:
        page = browser.get("/login").text
        token = page.partition('name="token" value="')[2].partition('"')[0]
        given = {"token": token, "key": "tutti_00000000_" + "0" * 32}
        answer = browser.post("/login", data=given)
    assert answer.status_code == 401
    line = the_line(front, source__ip=person.source)
    assert (line["event"]["action"], line["tutti"]["reason"]) == ("login.refused", "unauthorized")
    assert line["trace"]["id"] == answer.headers["x-trace-id"]


def test_a_full_disk_leaves_a_line(tmp_path: Path) -> None:
    with disk.small(tmp_path / "var", size="48m") as data, process(data, uds=tmp_path / "web.sock") as web:
        answer = web.client.post(JOBS, json=GOOD, headers={"X-Real-IP": "198.51.100.7"})
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/queue_full")
        (line,) = web.lines("job.refused")
    assert (line["tutti"]["reason"], line["source"]["ip"]) == ("queue_full", "198.51.100.7")
    assert line["trace"]["id"] == answer.json()["trace_id"]


def test_a_ledger_that_is_away_and_nodes_that_drain_leave_lines(
    tmp_path: Path, own_postgresql: Postgresql
) -> None:
    url = own_postgresql.ledger_url()
    with standing_front(tmp_path, ledger_url=url, trusted_proxies="127.0.0.1") as front:
        person = Person(front, front.ledger.keys)
        assert person.post(key="").status_code == 202
        own_postgresql.kill()
        answer = person.post(key="")
        line = the_line(front, source__ip=person.source)
        assert (answer.status_code, line["tutti"]["reason"]) == (503, "ledger_unavailable")
        assert (line["service"]["name"], line["trace"]["id"]) == ("tutti-web", answer.json()["trace_id"])
        draining = [front.processes.pop(name) for name in ("socket", "port")]
        for node in draining:
            node.terminate()
        assert [node.wait(30) for node in draining] == [0, 0]
        other = Person(front, person.keys)
        answer = other.post(key="")
        line = the_line(front, source__ip=other.source)
        assert (answer.status_code, line["tutti"]["reason"]) == (503, "unavailable")
        assert (line["service"]["name"], line["trace"]["id"]) == ("tutti-nginx", answer.json()["trace_id"])
