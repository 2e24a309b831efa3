"""Behind other people's proxies: the recipes of the document, and proxies that nobody has told us of."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.servers.front import GOOD, Front, standing_front
from tests.servers.proxies import DOCUMENT, foreign, recipe

PUBLIC = "https://example.org/tutti"
PLAIN = """
server {
    listen 8080;
    location / {
        proxy_pass http://127.0.0.1:8000;
    }
}
"""
# What Caddy and Traefik send: their own documentation's list of headers.
LIKE_CADDY = """
    location / {
        proxy_pass http://127.0.0.1:8000;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto https;
        proxy_set_header X-Forwarded-Host $http_host;
    }
"""
LIKE_TRAEFIK = LIKE_CADDY.replace(
    "proxy_set_header X-Forwarded-Proto",
    "proxy_set_header X-Real-Ip $remote_addr; proxy_set_header X-Forwarded-Proto",
)


def server(block: str) -> str:
    return f"server {{ listen 8080; {block} }}"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Tutti with its own nginx, and a second web node without it; both behind proxies on this machine."""
    options = {"public_url": PUBLIC, "trusted_proxies": "127.0.0.1", "rate_limit": "6r/m burst=5"}
    options |= {
        "admin_networks": "127.0.0.0/8"
    }  # which nobody comes from who comes by a proxy of this machine
    with standing_front(tmp_path_factory.mktemp("proxies"), **options) as built:
        yield built


@pytest.fixture(scope="module", params=["our nginx behind it", "the web app behind it"])
def behind(request: pytest.FixtureRequest, front: Front) -> int:
    return front.port if request.param == "our nginx behind it" else front.direct_port


PROXIES = {
    "nginx, passes the prefix on": (recipe("prefix"), "/tutti"),
    "nginx, takes the prefix away": (recipe("prefix").replace("8000;", "8000/;"), "/tutti"),
    "an nginx as it comes": (PLAIN, "/tutti"),
    "like caddy": (server(LIKE_CADDY), "/tutti"),
    "like traefik": (server(LIKE_TRAEFIK), "/tutti"),
}


@pytest.fixture(scope="module", params=PROXIES)
def proxy(
    request: pytest.FixtureRequest, behind: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    block, _ = PROXIES[request.param]
    with foreign(tmp_path_factory.mktemp("foreign") / "nginx", block, behind) as port:
        headers = {"Host": "example.org", "X-Forwarded-For": "203.0.113.77"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/tutti", headers=headers, timeout=60) as client:
            yield client


def plain_cookies(answer: httpx.Response) -> str:
    """What the browser would send back; it is told that the cookie is for HTTPS, and we come by HTTP."""
    return "; ".join(line.partition(";")[0] for line in answer.headers.get_list("set-cookie"))


def test_pages_forms_links_and_cookies_stay_below_the_prefix(proxy: httpx.Client) -> None:
    page = proxy.get("/")
    assert page.status_code == 200
    found = re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text)
    assert len(found) > 8
    assert [link for link in found if not link.startswith("/tutti/")] == []
    assert proxy.get("/static/tutti.css").status_code == 200
    (cookie,) = page.headers.get_list("set-cookie")
    assert "Path=/tutti;" in f"{cookie};"
    assert "Secure" in cookie
    token = re.search(r'name="token" value="([^"]+)"', page.text)
    assert token
    sent = proxy.post(
        "/songs",
        data={"token": token[1], "prompt": "a calm piano song"},
        headers={"Origin": "https://example.org", "Cookie": plain_cookies(page)},
    )
    assert (sent.status_code, sent.headers["location"][:13]) == (303, "/tutti/songs/")
    assert proxy.get(sent.headers["location"].removeprefix("/tutti")).status_code == 200
    elsewhere = proxy.post(
        "/songs",
        data={"token": token[1], "prompt": "a calm piano song"},
        headers={"Origin": "https://evil.example", "Cookie": plain_cookies(page)},
    )
    assert elsewhere.status_code == 403


def test_a_program_stays_below_the_prefix_and_hears_events_at_once(proxy: httpx.Client) -> None:
    made = proxy.post(
        "/v1/jobs", json=GOOD, headers={"X-Forwarded-For": f"198.51.100.{time.time_ns() % 250}"}
    )
    assert made.status_code == 202, made.text
    links = made.json()["links"]
    assert {link.startswith("/tutti/") for link in links.values()} == {True}
    assert made.headers["location"] == links["self"]
    assert proxy.get(links["self"].removeprefix("/tutti")).json()["links"] == links
    with proxy.stream("GET", links["events"].removeprefix("/tutti")) as events:
        words = ""
        for chunk in events.iter_text():  # the job never ends: what is heaped up never comes
            words += chunk
            if "event: queued" in words:
                break
    assert "event: queued" in words


@pytest.mark.parametrize(
    "claims",
    [
        [],
        [("X-Forwarded-For", "127.0.0.1")],
        [("X-Forwarded-For", "203.0.113.5:51234")],
        [("X-Forwarded-For", "unknown")],
        [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "unknown")],
        [("X-Real-IP", "127.0.0.1")],
        [("Forwarded", "for=127.0.0.1")],
        [("Host", "127.0.0.1")],
    ],
    ids=str,
)
def test_nobody_who_comes_by_a_proxy_is_a_keeper(proxy: httpx.Client, claims: list[tuple[str, str]]) -> None:
    del proxy.headers["X-Forwarded-For"]
    try:
        for path in ("/metrics", "/analytics", "/flower/"):
            assert proxy.get(path, headers=claims).status_code == 403, path
    finally:
        proxy.headers["X-Forwarded-For"] = "203.0.113.77"


def test_an_ipv6_client_meets_its_limit_however_its_address_is_written(front: Front, behind: int) -> None:
    network = f"2001:db8:{behind:x}"
    with httpx.Client(base_url=f"http://127.0.0.1:{behind}", timeout=60) as client:
        found = [
            client.post(
                "/v1/jobs", json=GOOD, headers={"X-Forwarded-For": f"{network}::{number:x}"}
            ).status_code
            for number in range(40)
        ]
        other = client.post("/v1/jobs", json=GOOD, headers={"X-Forwarded-For": f"{network}:1::1"})
    assert 429 in found
    assert other.status_code == 202


def test_a_key_of_the_scope_admin_opens_what_is_for_keepers(front: Front, behind: int) -> None:
    admin, plain = (front.command("keys", "add", "me", "--scope", scope) for scope in ("admin", "jobs"))
    with httpx.Client(base_url=f"http://127.0.0.1:{behind}", timeout=60) as client:
        for key, status in ((admin, 200), (plain, 403)):
            assert client.get("/metrics", headers={"Authorization": f"Bearer {key}"}).status_code == status
        if behind == front.port:
            status_page = client.get("/gateway/status", headers={"Authorization": f"Bearer {admin}"})
            assert "Active connections" in status_page.text
            assert client.get("/gateway/status").status_code == 403


# --- nobody has told us of a proxy


@pytest.fixture(scope="module")
def unaware(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with standing_front(tmp_path_factory.mktemp("unaware"), hosts="music.example.org") as built:
        yield built


def raw(port: int, request: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as one:
        one.sendall(request.encode())
        return one.makefile("rb").readline().decode()


@pytest.mark.parametrize("direct", [False, True], ids=["with our nginx", "without"])
def test_a_proxy_or_tunnel_that_nobody_named_makes_no_keeper(
    unaware: Front, direct: bool, tmp_path: Path
) -> None:
    port = unaware.direct_port if direct else unaware.port
    ask = "GET /metrics HTTP/1.1\r\nConnection: close\r\nHost: {}\r\n{}\r\n"
    assert "200" in raw(port, ask.format(f"127.0.0.1:{port}", "")), "who comes straight is one"
    assert "403" in raw(port, ask.format("music.example.org", "")), "a tunnel of bare TCP"
    for header in (
        "X-Forwarded-For: 127.0.0.1",
        "Via: 1.1 x",
        "Forwarded: for=::1",
        "X-Real-IP: ::1",
        "CF-Ray: 1",
    ):
        assert "403" in raw(port, ask.format(f"127.0.0.1:{port}", f"{header}\r\n")), header
    with foreign(tmp_path / "nginx", PLAIN, port) as stranger:
        assert "403" in raw(stranger, ask.format("127.0.0.1", ""))


@pytest.mark.parametrize("direct", [False, True], ids=["with our nginx", "without"])
def test_cookies_are_bound_to_https_that_ends_in_front(unaware: Front, direct: bool) -> None:
    with httpx.Client(
        base_url=f"http://127.0.0.1:{unaware.direct_port if direct else unaware.port}"
    ) as client:
        for headers, secure in (
            ({}, False),
            ({"X-Forwarded-Proto": "https"}, True),
            ({"X-Forwarded-Proto": "https, http"}, True),
            ({"X-Forwarded-Proto": "http"}, False),
            ({"Forwarded": "for=192.0.2.60;proto=https;by=203.0.113.43"}, True),
            ({"Forwarded": 'for="[2001:db8::1]:47";Proto="https", for=10.0.0.1'}, True),
            ({"Forwarded": "for=192.0.2.60;proto=http"}, False),
        ):
            client.cookies.clear()
            cookie = client.get("/", headers=headers).headers["set-cookie"]
            assert ("Secure" in cookie) == secure, headers


def test_the_documents_configurations_can_be_read() -> None:
    text = DOCUMENT.read_text()
    (traefik,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    service = yaml.safe_load(traefik)["http"]["services"]["tutti"]
    assert service["loadBalancer"]["servers"] == [{"url": "http://127.0.0.1:8000"}]
    (caddy,) = re.findall(r"```caddy\n(.*?)```", text, re.DOTALL)
    assert caddy.count("{") == caddy.count("}")
    assert "reverse_proxy 127.0.0.1:8000" in caddy
