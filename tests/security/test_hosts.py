"""Names taken on trust: whose name a request came for, where callbacks go, what a key is called."""

from __future__ import annotations

import ipaddress
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Error, sync_playwright

from tasks.ledger import Ledger
from tasks.security.addresses import CallbackRefused, allowing, check_url
from tests.browser.test_form import ARGUMENTS
from tests.needs import program
from tests.servers.front import Front, standing_front
from tests.servers.tutti import Tutti, running

STRANGE = (
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhost.",
)
OWN = ("localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "192.0.2.7", "music.test")
BROKEN = (
    "", "a/b", "evil.example/songs?", "a b", "a@localhost", "localhost:", "localhost:x", "[::1",
    "[", "\xff", "a,localhost", "localhost\t", "http://localhost",
)  # fmt: skip
INSIDE = (
    "/",
    "/v1/jobs",
    "/metrics",
    "/flower/",
    "/analytics",
    "/login",
    "/songs",
    "/output/x",
    "/openapi.json",
)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with standing_front(tmp_path_factory.mktemp("hosts"), hosts="music.test") as standing:
        yield standing


@pytest.mark.parametrize("direct", [False, True], ids=["gateway", "web alone"])
def test_a_request_for_another_servers_name_gets_nothing(front: Front, direct: bool) -> None:
    with front.client(direct=direct) as client:
        for host in STRANGE:
            for path in INSIDE:
                answer = client.get(path, headers={"Host": host})
                assert (answer.status_code, answer.json()["type"]) == (421, "/problems/unknown_host"), (
                    host,
                    path,
                )
                assert "set-cookie" not in answer.headers
            assert (
                client.post("/v1/jobs", json={"prompt": "a calm song"}, headers={"Host": host}).status_code
                == 421
            )
            for probe in ("/livez", "/readyz"):
                assert client.get(probe, headers={"Host": host}).status_code == 200, (
                    "balancers ask by any name"
                )
        for host in OWN:
            assert client.get("/songs", headers={"Host": host}).status_code == 200, host


@pytest.mark.parametrize("direct", [False, True], ids=["gateway", "web alone"])
def test_what_is_no_name_gets_an_error_and_leaks_no_path(front: Front, direct: bool) -> None:
    port = front.direct_port if direct else front.port
    for host in BROKEN:
        for accept in ("text/html", "application/json"):
            said = raw(
                port, f"GET /songs HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
            )
            assert said.startswith(("HTTP/1.1 400", "HTTP/1.1 421")), (host, said[:60])
            assert str(front.data) not in said
            assert ".sock" not in said
    for text in ("GET /songs HTTP/1.0\r\n\r\n", "GET /songs HTTP/1.1\r\nConnection: close\r\n\r\n"):
        said = raw(port, text)
        assert ".sock" not in said
        assert said.startswith(("HTTP/1.1 200", "HTTP/1.1 400", "HTTP/1.0 200")), said[:60]
    two = raw(
        port, "GET /songs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    assert two.startswith(("HTTP/1.1 400", "HTTP/1.1 421"))
    line = raw(port, "GET http://localhost/songs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert line.startswith(("HTTP/1.1 400", "HTTP/1.1 421"))


def test_a_login_is_asked_for_without_a_server_path_in_it(tmp_path: Path) -> None:
    """On a socket the server's own name is the socket's path, and it stood in the redirect."""
    with standing_front(tmp_path, keys="on") as locked:
        said = raw(locked.port, "GET /songs HTTP/1.0\r\nAccept: text/html\r\n\r\n")
    assert "location: /login?next=/songs\r\n" in said.lower()
    assert ".sock" not in said


def raw(port: int, text: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as link:
        link.sendall(text.encode("latin-1"))
        return b"".join(iter(lambda: link.recv(65_536), b"")).decode("latin-1")


class Page(BaseHTTPRequestHandler):
    """The attacker's page: of his own name, on the port that ours has."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>harmless</title>")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def tutti(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutti]:
    with running(tmp_path_factory.mktemp("rebinding")) as started:
        yield started


READ = """async (path) => {
  const answer = await fetch(path);
  return answer.status + ' ' + (await answer.text()).slice(0, 200);
}"""


@pytest.mark.browser
def test_a_page_whose_name_is_made_to_lead_here_reads_nothing(tutti: Tutti) -> None:
    """DNS rebinding in real Chromium: the name leads to the attacker first, then to 127.0.0.1."""
    theirs = ThreadingHTTPServer(("127.0.0.2", tutti.port), Page)
    threading.Thread(target=theirs.serve_forever, daemon=True).start()
    name = f"http://rebound.example:{tutti.port}"
    with sync_playwright() as playwright:
        seen = {}
        for address in ("127.0.0.2", "127.0.0.1"):  # another browser for each answer of the name service
            rules = f"--host-resolver-rules=MAP rebound.example {address}"
            browser = playwright.chromium.launch(
                executable_path=program("chromium"), args=[*ARGUMENTS, rules]
            )
            page = browser.new_page()
            page.goto(f"{name}/" if address == "127.0.0.2" else f"{name}/livez")
            seen[address] = page.title()
            if address == "127.0.0.1":
                got = {path: page.evaluate(READ, path) for path in INSIDE}
                made = page.evaluate(
                    """async () => (await fetch('/v1/jobs', {method: 'POST', body: '{"prompt": "a song"}',
                    headers: {'content-type': 'application/json'}})).status"""
                )
            browser.close()
    theirs.shutdown()
    assert seen["127.0.0.2"] == "harmless"
    assert {answer[:4] for answer in got.values()} == {"421 "}, got
    assert made == 421
    assert httpx.get(f"{tutti.url}/v1/jobs").json()["jobs"] == []


@pytest.mark.browser
def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(tutti: Tutti) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=ARGUMENTS)
        context = browser.new_context()
        page = context.new_page()
        page.goto(tutti.url)
        (cookie,) = (one for one in context.cookies() if one["name"].startswith("tutti_session"))
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        assert page.evaluate("document.cookie") == ""
        # a page of another port of this machine is of the same site to a browser, and still not ours
        theirs = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=theirs.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{theirs.server_address[1]}/")
        form = """([url]) => { const f = document.createElement('form'); f.method = 'post'; f.action = url;
                  document.body.append(f); f.submit(); }"""
        for path in ("/songs", "/logout", "/flower/api/worker/shutdown/x", "/release_task"):
            with page.expect_navigation() as went:
                page.evaluate(form, [f"{tutti.url}{path}"])
            assert went.value.status == 403, path
            page.goto(f"http://127.0.0.1:{theirs.server_address[1]}/")
        with pytest.raises(Error, match="Failed to fetch"):
            page.evaluate(READ, f"{tutti.url}/v1/jobs")
        theirs.shutdown()
        browser.close()
    assert httpx.get(f"{tutti.url}/v1/jobs").json()["jobs"] == []


SPECIAL = (
    "0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.1",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.9",
    "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.1.1",
    "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::8.8.8.8",
    "::ffff:127.0.0.1", "::ffff:0:7f00:1", "::ffff:0:808:808", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    "64:ff9b:1::1", "64:ff9b:1:ffff::808:808", "100::1", "100:0:0:1::1", "2001::1",
    "2001:0:808:808::1", "2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1",
    "2001:20::1", "2001:30::1", "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1",
    "2620:4f:8000::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1",
    "ff02::1", "4000::1",
)  # fmt: skip
PUBLIC = (
    "8.8.8.8",
    "1.1.1.1",
    "93.184.215.14",
    "192.0.1.1",
    "2001:4860:4860::8888",
    "2606:2800::1",
    "64:ff9b::808:808",
)


@pytest.mark.parametrize("address", SPECIAL)
def test_no_special_network_is_called(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(CallbackRefused, match="private network"):
        check_url(f"http://{host}/")


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_called(address: str) -> None:
    check_url(f"https://[{address}]/" if ":" in address else f"https://{address}/")


@pytest.mark.parametrize(
    "host", ["0177.1", "0x7f000001", "2130706433", "127.1", "0", "localhost", "ip6-localhost"]
)
def test_no_other_spelling_of_this_machine_is_called(host: str) -> None:
    with pytest.raises(CallbackRefused):
        check_url(f"http://{host}/")


def test_an_operators_networks_add_to_the_public_ones() -> None:
    allowed = allowing("10.0.0.0/8, fd00::/8")
    for address in ("10.1.2.3", "fd00::1", "8.8.8.8"):
        assert allowed(ipaddress.ip_address(address))
    assert not allowed(ipaddress.ip_address("192.168.0.1"))


def test_only_some_ports_are_called() -> None:
    for port in (80, 443, 8080, 8443):
        check_url(f"http://93.184.215.14:{port}/", at="80, 443, 8080, 8443")
    for port in (0, 22, 25, 53, 81, 6379, 9200, 65_535):
        with pytest.raises(CallbackRefused, match="port"):
            check_url(f"http://93.184.215.14:{port}/", at="80, 443, 8080, 8443")


def test_names_of_keys_leave_a_terminal_alone(tmp_path: Path) -> None:
    """A name once cleared the screen of whoever listed the keys, or wrote a key's row anew."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with Ledger(url) as ledger:
        for bad in ("a\x1b[2Jb", "a\nb", "a\x9b1mb", "\u202eevil", "", " ", "x" * 101, "\x07"):
            with pytest.raises(ValueError, match="printable"):
                ledger.keys.add(bad)
        ledger.keys.add("[red]Ada[/red] [link=http://evil.example]x[/link]")
        made, _ = ledger.keys.add("old")
    with sqlite3.connect(tmp_path / "ledger.db") as database:  # as an older Tutti let in
        odd = "a\x1b[2J\x9b1mb\u202e"
        database.execute("UPDATE api_keys SET name = ? WHERE id = ?", (odd, made.id))
    environment = {**os.environ, "TUTTI_LEDGER_URL": url, "COLUMNS": "200", "FORCE_COLOR": "1"}
    for words in (["list"], ["revoke", made.id]):
        done = subprocess.run(
            [sys.executable, "-m", "compose.cli", "keys", *words],
            env=environment,
            capture_output=True,
            check=True,
        )
        said = done.stdout.decode()
        assert not {"\x1b[2J", "\x9b", "\u202e"} & {
            part for part in ("\x1b[2J", "\x9b", "\u202e") if part in said
        }
        if words == ["list"]:
            assert "[red]Ada[/red]" in said, "brackets are not markup"
