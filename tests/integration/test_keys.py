"""Keys, sessions, lanes and affinity, through the real gateway and the real web app."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import httpx
import pytest

from tasks.engines import KNOWN
from tasks.queue.names import model_queue
from tasks.storage.songs import Storage
from tests.servers.front import GOOD, Front, standing_front
from tests.servers.gateway import until
from tests.servers.postgresql import Postgresql

STABLE = model_queue("sketch", KNOWN["sketch"].version)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, postgresql: Postgresql):
    """Keys are on, and kept in PostgreSQL; the other front is on SQLite."""
    ledger = postgresql.ledger_url()
    with standing_front(tmp_path_factory.mktemp("keys"), keys="on", ledger_url=ledger) as front:
        yield front


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory):
    with standing_front(tmp_path_factory.mktemp("free")) as front:
        yield front


def with_key(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("direct", [False, True])
def test_a_key_opens_what_its_scopes_hold(locked: Front, direct: bool) -> None:
    jobs = locked.command("keys", "add", "Ada")
    read = locked.command("keys", "add", "Reader", "--scope", "read")
    with locked.client(direct=direct) as client:
        for path in ("/v1/jobs", "/v1/models", "/openapi.json", "/v1/jobs/x/peaks/1"):
            refused = client.get(path)
            assert (refused.status_code, refused.json()["type"]) == (401, "/problems/unauthorized"), path
            assert refused.headers.get_list("www-authenticate") == ["Bearer"]
        assert client.post("/v1/jobs", json=GOOD).status_code == 401
        assert client.post("/v1/jobs", json=GOOD, headers=with_key(jobs)).status_code == 202
        assert client.post("/v1/jobs", json=GOOD, headers={"X-API-Key": jobs}).status_code == 202
        assert client.get("/v1/jobs", headers=with_key(read)).status_code == 200
        forbidden = client.post("/v1/jobs", json=GOOD, headers=with_key(read))
        assert (forbidden.status_code, forbidden.json()["type"]) == (403, "/problems/forbidden")
        assert {client.get(path).status_code for path in ("/livez", "/readyz", "/health")} == {200}


def test_what_one_key_asked_for_is_not_anothers(locked: Front) -> None:
    ada, bob, root = (
        with_key(locked.command("keys", "add", name, "--scope", scope))
        for name, scope in (("Ada", "jobs"), ("Bob", "jobs"), ("Root", "admin"))
    )
    with locked.client() as client:
        job = client.post("/v1/jobs", json=GOOD, headers=ada).json()["id"]
        assert [entry["id"] for entry in client.get("/v1/jobs", headers=ada).json()["jobs"]] == [job]
        assert client.get("/v1/jobs", headers=bob).json()["jobs"] == []
        assert client.post(f"/v1/jobs/{job}/cancel", headers=bob).status_code == 403
        assert client.post(f"/v1/jobs/{job}/cancel", headers=root).status_code == 200


def test_quotas_hold(locked: Front) -> None:
    few = with_key(locked.command("keys", "add", "Few", "--jobs-a-day", "2"))
    short = with_key(locked.command("keys", "add", "Short", "--seconds-a-day", "25"))
    single = with_key(locked.command("keys", "add", "Single", "--concurrent", "1"))
    with locked.client() as client:

        def ask(headers: dict[str, str]) -> httpx.Response:
            return client.post("/v1/jobs", json=GOOD, headers=headers)

        assert [ask(few).status_code for _ in range(3)] == [202, 202, 429]
        assert [ask(short).status_code for _ in range(3)] == [202, 202, 429]
        first = ask(single).json()["id"]
        refused = ask(single)
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/quota_exceeded")
        assert int(refused.headers["retry-after"]) > 0
        client.post(f"/v1/jobs/{first}/cancel", headers=single)
        assert ask(single).status_code == 202


@pytest.mark.timeout(120)
def test_a_revoked_key_is_refused_everywhere_within_30_seconds(locked: Front) -> None:
    token = locked.command("keys", "add", "Gone")
    key_id = token.split("_")[1]
    with locked.client() as client, locked.client(direct=True) as direct:
        clients = (client, direct)
        assert {each.get("/v1/jobs", headers=with_key(token)).status_code for each in clients} == {200}
        assert "revoked" in locked.command("keys", "revoke", key_id)
        refused = {401}
        until(
            lambda: (
                {each.get("/v1/jobs", headers=with_key(token)).status_code for each in clients} == refused
            ),
            "the key is refused",
            seconds=30,
        )
    assert f"{key_id} " in locked.command("keys", "list").replace("│", " ")


def test_keys_are_in_no_file_and_their_ids_in_the_lines(locked: Front, postgresql: Postgresql) -> None:
    token = locked.command("keys", "add", "Seen")
    with locked.client() as client:
        accepted = client.post("/v1/jobs", json=GOOD, headers=with_key(token))
        client.post("/v1/jobs", json=GOOD, headers=with_key(token[:-1] + "?"))
    assert accepted.status_code == 202
    secret = token.rsplit("_", 1)[1].encode()
    lines = locked.data / "log/nginx.jsonl"
    until(
        lambda: f'"key":{{"id":"{token.split("_")[1]}"}}' in lines.read_text(),
        "the key's id is in nginx's line",
    )
    held = {file: file.read_bytes() for file in locked.data.rglob("*") if file.is_file()} | postgresql.kept()
    assert {"web.jsonl", "nginx.jsonl", "nginx.conf"} <= {file.name for file in held}
    digest = hashlib.sha256(secret).hexdigest().encode()
    assert any(digest in text for text in held.values()), "look for it elsewhere"
    assert [file for file, text in held.items() if secret in text] == []


def form_token(page: httpx.Response) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def test_a_person_shows_a_key_once_and_then_has_a_session(locked: Front) -> None:
    token = locked.command("keys", "add", "Person")
    page = {"Accept": "text/html"}
    with locked.client(headers=page) as browser:
        sent = browser.get("/songs")
        assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/songs")
        login = browser.get("/login?next=/songs")
        given = {"token": form_token(login), "next": "/songs", "key": token}
        assert browser.post("/login", data=given | {"token": "forged"}).status_code == 403
        assert browser.post("/login", data=given, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert browser.post("/login", data=given | {"key": token[:-1]}).status_code == 401
        entered = browser.post("/login", data=given)
        assert (entered.status_code, entered.headers["location"]) == (303, "/songs")
        cookie = next(
            text for text in entered.headers.get_list("set-cookie") if text.startswith("tutti_key_")
        )
        assert {"HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
        assert token not in cookie
        form = browser.get("/")
        assert form.status_code == 200
        made = browser.post("/songs", data={"token": form_token(form), "prompt": "a calm piano song"})
        assert made.status_code == 303
        assert browser.get(made.headers["location"]).status_code == 200
        assert browser.post("/songs", data={"prompt": "a calm piano song"}).status_code == 403
        assert browser.post("/v1/jobs", json=GOOD).status_code == 202
        assert (
            browser.post("/v1/jobs", json=GOOD, headers={"Origin": "https://evil.example"}).status_code == 403
        )
        left = browser.post("/logout", data={"token": form_token(form)})
        assert left.headers["location"] == "/login"
        assert browser.get("/").status_code == 303


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"]
)
def test_login_leads_nowhere_else(locked: Front, target: str) -> None:
    token = locked.command("keys", "add", "Person")
    with locked.client(headers={"Accept": "text/html"}) as browser:
        login = browser.get("/login")
        given = {"token": form_token(login), "next": target, "key": token}
        assert browser.post("/login", data=given).headers["location"] == "/"


def test_a_cookie_that_is_not_ours_opens_nothing(locked: Front) -> None:
    name = f"tutti_key_{locked.port}"
    with locked.client(cookies={name: "00000000-99999999999.forged"}) as client:
        assert client.get("/v1/jobs").status_code == 401


def test_without_keys_everyone_on_this_machine_may_ask(free: Front) -> None:
    with free.client() as client:
        assert client.post("/v1/jobs", json=GOOD).status_code == 202
        assert client.get("/", headers={"Accept": "text/html"}).status_code == 200


def queue_of(front: Front, job_id: str) -> tuple[str, str]:
    job = front.ledger.views.get(job_id)
    assert job is not None
    return job.lane, str(job.queue)


def test_the_canary_leads_to_its_versions_queue_and_stops_without_a_restart(free: Front) -> None:
    free.worker("gpu-01", STABLE, "node.gpu-01")
    free.worker("gpu-02", "sketch@v2", "node.gpu-02")
    with free.client() as client, free.client(direct=True) as direct:

        def ask(where: httpx.Client, **headers: str) -> tuple[str, str]:
            return queue_of(free, where.post("/v1/jobs", json=GOOD, headers=headers).json()["id"])

        stable, canary = ("stable", STABLE), ("canary", "sketch@v2")
        assert ask(client) == stable
        free.command("canary", "set", "v2", "100%")
        until(lambda: ask(client) == canary, "the canary through the gateway")
        until(lambda: ask(direct) == canary, "the canary without it")
        assert ask(client, **{"X-Tutti-Lane": "stable"}) == stable
        free.command("canary", "set", "v2", "0.01%")
        until(lambda: ask(client) == stable, "the share went down")
        until(lambda: ask(client, **{"X-Tutti-Lane": "canary"}) == canary, "the header still leads there")
        free.command("canary", "set", "v3", "100%")
        until(
            lambda: ask(client, **{"X-Tutti-Lane": "canary"})[0] == "stable",
            "nobody serves v3, so it is no lane",
        )
        free.command("canary", "stop")
        assert "stopped by hand" in free.command("canary", "status")
        free.command("canary", "promote")
        assert "no canary" in free.command("canary", "status")


def test_a_preferred_node_leads_to_its_queue_while_it_lives(free: Front) -> None:
    free.worker("gpu-07", STABLE, "node.gpu-07")
    with free.client() as client:

        def ask(**headers: str) -> str:
            return queue_of(free, client.post("/v1/jobs", json=GOOD, headers=headers).json()["id"])[1]

        until(lambda: ask(**{"X-Preferred-Node": "gpu-07"}) == "node.gpu-07", "the preferred node's queue")
        assert ask(**{"X-Preferred-Node": "gpu-99"}) == STABLE
        assert ask(**{"X-Session-Token": "not.a.token"}) == STABLE
        job = client.post("/v1/jobs", json=GOOD, headers={"X-Preferred-Node": "gpu-07"}).json()["id"]
        free.ledger.dispatch.release(100)
        epoch = next(worker.epoch for worker in free.ledger.views.workers() if worker.id == "gpu-07.0")
        assert free.ledger.workers.claim(job, "gpu-07.0", epoch)
        token = client.get(f"/v1/jobs/{job}").headers["x-session-token"]
        until(
            lambda: ask(**{"X-Session-Token": token}) == "node.gpu-07", "the token's queue on every web node"
        )
        assert ask(**{"X-Session-Token": token[:-2]}) == STABLE


def test_the_gateway_follows_the_nodes_that_the_ledger_knows(free: Front) -> None:
    def upstream() -> set[str]:
        text = (free.data / "run/nginx/nginx.conf").read_text()
        return {
            line.strip()
            for line in text.splitlines()
            if line.strip().startswith("server ") and "weight" in line
        }

    def has(part: str, *, down: bool) -> bool:
        return any(part in line and line.endswith("down;") == down for line in upstream())

    until(
        lambda: has("web.sock", down=False) and has(f":{free.direct_port}", down=False),
        "both nodes are known",
    )
    free.ledger.web_nodes.register("n9", "127.0.0.1:9")
    free.ledger.web_nodes.beat("n9", False, "the storage cannot be written")
    until(lambda: has('"127.0.0.1:9"', down=True), "the unwell node is down")
    free.ledger.web_nodes.forget("n9")
    until(lambda: '"127.0.0.1:9"' not in str(upstream()), "the node that left is gone")
    with free.client() as client:
        assert client.post("/v1/jobs", json=GOOD).status_code == 202


def test_a_node_whose_storage_is_away_or_that_dies_gets_nothing(free: Front, tmp_path: Path) -> None:
    """The whole chain: the node's own probe, its sign of life in the ledger, the gateway, nginx."""
    Storage(tmp_path / "nas").prepare()
    free.start_node("third", "n3", storage=str(tmp_path / "nas"))
    config, port = free.data / "run/nginx/nginx.conf", free.ports["n3"]

    def state() -> str:
        (line,) = [line for line in config.read_text().splitlines() if f":{port}" in line] or [""]
        return "down" if line.endswith(" down;") else "up" if line else "unknown"

    until(lambda: state() == "up", "the node joined")
    (tmp_path / "nas").rename(tmp_path / "away")
    until(lambda: state() == "down", "its storage is away")
    (tmp_path / "away").rename(tmp_path / "nas")
    until(lambda: state() == "up", "its storage came back")
    free.processes.pop("third").kill()
    until(lambda: state() == "down", "it was silent for too long")
    free.ledger.web_nodes.forget("n3")
    with free.client() as client:
        assert {client.get("/livez").status_code for _ in range(20)} == {200}


def test_signed_links_work_from_the_job_to_the_file(tmp_path: Path) -> None:
    from tasks.security.links import key_of, signed
    from tasks.security.secret import secret_of
    from tasks.settings import Settings

    name = "a_01hzzzzzzzzzzzzzzzzzzzzzzz.wav"
    with standing_front(tmp_path, sign_output="true") as front:
        (front.data / "output").mkdir(exist_ok=True)
        (front.data / "output" / name).write_bytes(b"sound")
        key = key_of(secret_of(Settings(data=front.data)))
        good, old = (signed(f"/output/{name}", key, expires) for expires in (2_000_000_000 * 2, 1_000))
        for direct in (False, True):
            with front.client(direct=direct) as client:
                answer = client.get(good)
                assert (answer.status_code, answer.content) == (200, b"sound")
                assert answer.headers["cache-control"].startswith("private")
                assert client.get(f"/output/{name}").status_code == 403
                assert client.get(good[:-1]).status_code == 403
                assert (client.get(old).status_code, client.get(old).json()["type"]) == (
                    410,
                    "/problems/link_expired",
                )
                assert client.get(f"{good}&download").headers["content-disposition"].startswith("attachment")
