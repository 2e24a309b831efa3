"""Answers of nginx itself, the headers on every answer, TLS, and who may look inside."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import pytest

from tests import needs
from tests.servers.gateway import House, certificate, free_port, standing

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory):
    with standing(tmp_path_factory.mktemp("errors")) as built:
        yield built


def assert_guarded(answer: httpx.Response) -> None:
    for name, value in HEADERS.items():
        assert answer.headers.get_list(name) == [value], name
    (policy,) = answer.headers.get_list("content-security-policy")
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert len(answer.headers["x-trace-id"]) == 32


@pytest.mark.parametrize(
    "path", ["/", "/fail", "/v1/jobs", "/output/none.wav", "/auth/key_valid", "/metrics", "/static/x"]
)
def test_every_answer_carries_the_security_headers_once(plain: House, path: str) -> None:
    with plain.client() as client:
        assert_guarded(client.get(path))


def test_the_apps_own_policy_and_errors_pass_unchanged(plain: House) -> None:
    with plain.client() as client:
        own = client.get("/policy")
        error = client.get("/fail")
    assert own.headers.get_list("content-security-policy") == ["default-src 'none'; script-src 'nonce-1'"]
    assert (error.status_code, error.json()) == (500, {"type": "/problems/own", "status": 500})


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET /v1/jobs HTTP/1.1\r\n\r\n", 400),
        (b"GET /v1/%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /v1/" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /v1/jobs HTTP/1.1\r\nHost: a\r\nX-Big: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET /output/none.wav HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
        (b"GET /auth/key_valid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
        (b"TRACE /v1/jobs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405),
    ],
)
def test_errors_of_nginx_are_problem_documents(plain: House, request_text: bytes, status: int) -> None:
    head, _, body = plain.raw(request_text).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert b"content-type: application/problem+json" in head.lower()
    assert head.lower().count(b"x-frame-options: deny") == 1
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    assert problem["detail"]


def test_people_get_a_page_and_programs_a_document_when_no_node_answers(tmp_path: Path) -> None:
    with standing(tmp_path) as built, built.client() as client:
        built.nodes["n1"].kill()
        page = client.get("/", headers={"Accept": "text/html,*/*"})
        document = client.get("/v1/jobs", headers={"Accept": "text/html"})
        repeatable = client.post("/v1/jobs", json={}, headers={"Idempotency-Key": "k"})
    for answer in (page, document, repeatable):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert_guarded(answer)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>" in page.text
    for answer in (document, repeatable):
        assert answer.json()["type"] == "/problems/unavailable"


def test_flower_metrics_and_status_are_open_to_keepers_only(tmp_path: Path) -> None:
    with standing(tmp_path, admin_networks="127.0.0.1") as built:
        built.add_node("flower", f"unix:{built.data}/run/flower.sock")
        with built.client("127.0.0.9") as other:
            assert {
                other.get(path).status_code for path in ("/flower/", "/flower", "/metrics", "/gateway/status")
            } == {403}
            assert other.get("/health").status_code == 200
        with built.client() as keeper:
            assert keeper.get("/flower/workers").json()["node"] == "flower"
            assert keeper.get("/metrics").json()["node"] == "n1"
            assert "Active connections" in keeper.get("/gateway/status").text
            forged = keeper.post("/flower/api/worker/shutdown/w", headers={"Sec-Fetch-Site": "cross-site"})
            assert forged.status_code == 403


def test_an_address_is_believed_from_trusted_proxies_only(tmp_path: Path) -> None:
    said = {
        "X-Forwarded-For": "203.0.113.7, 127.0.0.3",
        "X-Real-IP": "203.0.113.8",
        "Forwarded": "for=1.2.3.4",
    }
    with standing(tmp_path, trusted_proxies="127.0.0.2, 127.0.0.3") as built:
        with built.client("127.0.0.2") as proxy:
            believed = proxy.get("/v1/jobs", headers=said).json()["headers"]
        with built.client("127.0.0.5") as stranger:
            not_believed = stranger.get("/v1/jobs", headers=said).json()["headers"]
        assert believed["x-real-ip"] == believed["x-forwarded-for"] == "203.0.113.7"
        assert not_believed["x-real-ip"] == not_believed["x-forwarded-for"] == "127.0.0.5"
        assert "forwarded" not in believed
        built.line(source__ip="203.0.113.7")
        built.line(source__ip="127.0.0.5")


def test_tls_with_http2_hsts_and_a_redirect(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    redirect = free_port()
    with standing(tmp_path, tls_certificate=chain, tls_key=key, tls_redirect_port=redirect) as built:
        with built.client() as client:
            answer = client.get("/")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert client.post("/v1/jobs").json()["headers"]["x-forwarded-proto"] == "https"
        assert_guarded(answer)
        assert over_http2(built) == "2 200"
        moved = httpx.get(f"http://127.0.0.1:{redirect}/v1/jobs?a=b", follow_redirects=False)
        plain = httpx.get(f"http://127.0.0.1:{built.port}/x", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (
        308,
        f"https://127.0.0.1:{built.port}/v1/jobs?a=b",
    )
    assert (plain.status_code, plain.headers["location"]) == (308, f"https://127.0.0.1:{built.port}/x")


def over_http2(house: House) -> str:
    """Version and status of an answer to a client that offers HTTP/2."""
    asked = ["-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", f"{house.url}/"]
    return subprocess.check_output([needs.program("curl"), *asked], text=True)
