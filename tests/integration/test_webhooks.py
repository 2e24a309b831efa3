"""Callbacks signed as Standard Webhooks says, checked by that scheme's own published verifier."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tasks.jobs import JobRequest, new_job_id
from tasks.ledger import NewJob
from tasks.security import webhooks
from tests.servers import workers
from tests.servers.tutti import free_port
from tests.servers.workers import ROOT, System, eventually


class Receiver(ThreadingHTTPServer):
    """Keeps what it is told, and takes it; `busy` makes it ask to come back."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.told: list[tuple[bytes, dict[str, str]]] = []
        self.busy = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/done"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.told.append((body, headers))
        self.send_response(503 if self.server.busy else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with workers.running(
        tmp_path / "cell", callback_networks="127.0.0.0/8", callback_ports="1-65535"
    ) as started:
        yield started


def ended(system: System, url: str, owner: str) -> str:
    """A job of this owner that has ended."""
    wanted = JobRequest(prompt="a plain tone", duration=5, callback_url=url)
    new = NewJob(id=new_job_id("a"), request=wanted, model_queue="tone@1", owner=owner)
    job_id = system.ledger.submissions.accept(new).result(30).job.id
    system.ledger.submissions.cancel(job_id)
    return job_id


def told(receiver: Receiver, job_id: str) -> list[tuple[bytes, dict[str, str]]]:
    return [one for one in receiver.told if json.loads(one[0])["id"] == job_id]


def holds(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_signed_with_the_key_s_secret_and_while_it_changes_with_both(
    system: System, receiver: Receiver
) -> None:
    ledger = system.ledger
    key, _ = ledger.keys.add("ann")
    other, _ = ledger.keys.add("bob")
    first, theirs = ledger.webhooks.rotate(key.id, 24), ledger.webhooks.rotate(other.id, 24)
    before = ended(system, receiver.url, f"key:{key.id}")
    eventually(lambda: told(receiver, before))
    ((body, headers),) = told(receiver, before)
    assert headers["webhook-id"] == before
    assert holds(first, body, headers)
    assert not holds(theirs, body, headers)
    assert not holds(first, body.replace(b"cancelled", b"succeeded"), headers)

    second = ledger.webhooks.rotate(key.id, 24)
    after = ended(system, receiver.url, f"key:{key.id}")
    eventually(lambda: told(receiver, after))
    ((body, headers),) = told(receiver, after)
    assert holds(first, body, headers)
    assert holds(second, body, headers)

    third = ledger.webhooks.rotate(key.id, 0)  # the one before is good no longer
    last = ended(system, receiver.url, f"key:{key.id}")
    eventually(lambda: told(receiver, last))
    ((body, headers),) = told(receiver, last)
    assert [holds(secret, body, headers) for secret in (first, second, third)] == [False, False, True]


def test_each_try_of_one_message_has_its_id(system: System, receiver: Receiver) -> None:
    secret = system.ledger.webhooks.rotate("", 24)
    receiver.busy = True
    job_id = ended(system, receiver.url, "address:10.0.0.1")
    eventually(lambda: len(told(receiver, job_id)) >= 2)
    receiver.busy = False
    tries = told(receiver, job_id)
    assert {headers["webhook-id"] for _, headers in tries} == {job_id}
    assert all(holds(secret, body, headers) for body, headers in tries)


def test_who_has_no_secret_gets_unsigned_callbacks(system: System, receiver: Receiver) -> None:
    key, _ = system.ledger.keys.add("ann")
    system.ledger.webhooks.rotate(key.id, 24)
    assert system.ledger.webhooks.revoke(key.id) == 1
    job_id = ended(system, receiver.url, f"key:{key.id}")
    eventually(lambda: told(receiver, job_id))
    ((_, headers),) = told(receiver, job_id)
    assert "webhook-signature" not in headers
    assert headers["webhook-id"] == job_id


def test_our_verifier_agrees_with_theirs() -> None:
    secret, body, now = webhooks.new_secret(), b'{"id": "a"}', int(time.time())
    headers = dict(webhooks.signed("a", now, body, [webhooks.new_secret(), secret]))
    assert webhooks.verified(body, headers, secret)
    assert holds(secret, body, headers)
    for changed in (
        headers | {"webhook-id": "b"},
        headers | {"webhook-timestamp": str(now - 10_000)},
        headers | {"webhook-signature": "v1,AAAA"},
    ):
        assert not webhooks.verified(body, changed, secret)
        assert not holds(secret, body, changed)
    assert not webhooks.verified(body + b" ", headers, secret)
    for odd in ("", "\u00b2", "-1", "1" * 5000, "1e9", f" {now}"):
        assert not webhooks.verified(body, headers | {"webhook-timestamp": odd}, secret)


@pytest.mark.parametrize("secret", ["garbage", "whsec_", "whsec_AAAA", "whsec_!!!!", ""])
def test_what_is_no_secret_is_not_listened_with(secret: str) -> None:
    command = [sys.executable, "-m", "compose.cli", "webhooks", "listen", "--port", "0", "--secret", secret]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 2
    assert "is no secret" in done.stderr


def test_the_commands(system: System) -> None:
    """A secret made by hand, a listener that checks it, and a callback between them."""
    key, _ = system.ledger.keys.add("ann")

    def tutti(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "compose.cli", "webhooks", *words]
        return subprocess.run(
            command, env=system.environment, cwd=ROOT, capture_output=True, text=True, check=False
        )

    made = tutti("rotate", key.id)
    secret = made.stdout.strip()
    assert secret.startswith("whsec_")
    assert tutti("rotate", "nobody").returncode == 1
    listed = tutti("list").stdout
    assert key.id in listed
    assert secret not in listed
    port = free_port()
    command = [
        sys.executable, "-m", "compose.cli", "webhooks", "listen", "--port", str(port), "--secret", secret,
        "--count", "1",
    ]  # fmt: skip
    with subprocess.Popen(
        command, env=os.environ | system.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as listener:
        job_id = ended(system, f"http://127.0.0.1:{port}/", f"key:{key.id}")
        line = json.loads(listener.communicate(timeout=120)[0])
    assert (line["signature"], line["webhook_id"], line["body"]["id"]) == ("good", job_id, job_id)
