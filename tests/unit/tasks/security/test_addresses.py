import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tasks.dispatch.delivery import post
from tasks.security import addresses
from tasks.security.addresses import CallbackRefused, allowing, check_url

PRIVATE = [
    "http://127.0.0.1/",
    "http://[::1]/",
    "http://localhost:8000/",
    "http://2130706433/",  # 127.0.0.1 as one number
    "http://0x7f.1/",
    "http://0/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::a00:1]/",
    "http://[2002:a00:1::]/",
]
MALFORMED = [
    "",
    "x",
    "ftp://8.8.8.8/",
    "file:///etc/passwd",
    "http:///x",
    "http://8.8.8.8:99999/",
    "http://u:p@8.8.8.8/",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_a_url_into_a_private_network_is_refused(url: str) -> None:
    with pytest.raises(CallbackRefused, match="private network"):
        check_url(url)


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_url_is_refused_with_a_hint(url: str) -> None:
    with pytest.raises(CallbackRefused, match="callback_url: "):
        check_url(url)


@pytest.mark.parametrize("url", ["http://8.8.8.8/done", "https://[2001:4860:4860::8888]:8443/done?id=1"])
def test_a_public_address_is_allowed(url: str) -> None:
    check_url(url)


def test_one_private_address_among_public_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(0, 0, 0, "", ("8.8.8.8", 80)), (0, 0, 0, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: entries)
    with pytest.raises(CallbackRefused):
        check_url("http://example.com/")


class Receiver(ThreadingHTTPServer):
    """Answers with the statuses it is given, one after another, and keeps what it was told."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.statuses = list(statuses)
        self.seen: list[tuple[str, str, bytes]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_address[1]}/done?token=1"


class Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Host"], body))
        self.send_response(self.server.statuses.pop(0))
        self.send_header("Location", "http://169.254.169.254/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def anywhere(_: object) -> bool:
    return True


def test_the_document_arrives_under_the_name_of_the_url() -> None:
    receiver = Receiver(200)
    assert post(receiver.url, {"id": "a_1"}, allowed=anywhere).taken
    port = receiver.server_address[1]
    assert receiver.seen == [("/done?token=1", f"localhost:{port}", b'{"id":"a_1"}')]
    receiver.shutdown()


@pytest.mark.parametrize(
    ("status", "taken", "final"),
    [
        (200, True, True), (204, True, True), (400, False, True), (404, False, True), (410, False, True),
        (408, False, False), (429, False, False), (500, False, False), (503, False, False),
    ],
)  # fmt: skip
def test_a_receiver_that_fails_may_be_tried_again_and_one_that_refuses_not(
    status: int, taken: bool, final: bool
) -> None:
    receiver = Receiver(status)
    answer = post(receiver.url, {"id": "a"}, allowed=anywhere)
    assert (answer.taken, answer.final) == (taken, final)
    assert str(status) in answer.why
    receiver.shutdown()


def test_a_receiver_that_is_not_there_may_be_tried_again() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        answer = post(f"http://127.0.0.1:{probe.getsockname()[1]}/", {"id": "a"}, allowed=anywhere)
    assert (answer.taken, answer.final) == (False, False)


def test_a_name_that_leads_nowhere_now_may_be_tried_again() -> None:
    answer = post("http://nowhere.invalid/", {"id": "a"})
    assert (answer.taken, answer.final) == (False, False)


def test_a_redirect_is_not_followed() -> None:
    receiver = Receiver(302)
    answer = post(receiver.url, {"id": "a"}, allowed=anywhere)
    assert (answer.taken, answer.final) == (False, True)
    assert len(receiver.seen) == 1
    receiver.shutdown()


def test_delivery_checks_the_address_once_more() -> None:
    receiver = Receiver(200)
    answer = post(receiver.url, {"id": "a"})
    assert (answer.taken, answer.final) == (False, True)
    assert receiver.seen == []
    receiver.shutdown()


def test_networks_that_the_settings_name_are_reached_and_no_others() -> None:
    check_url("http://10.1.2.3/", allowed=allowing("10.1.0.0/16, 192.0.2.7"))
    with pytest.raises(CallbackRefused):
        check_url("http://10.2.2.3/", allowed=allowing("10.1.0.0/16"))
    with pytest.raises(CallbackRefused):
        check_url("http://10.1.2.3/", allowed=allowing(""))
