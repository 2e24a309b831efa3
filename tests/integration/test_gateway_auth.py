"""Keys at the gate: asked of a web node, remembered for seconds, never written to a disk."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nginx.keycache import MEMORY, cache_folder
from tests.servers.gateway import House, free_port, house, standing, until

KEY = "tutti_k1_0123456789abcdefghijklmnopqrstuv"


@pytest.fixture
def locked(tmp_path: Path):
    (tmp_path / "keys").write_text(KEY)
    with standing(tmp_path, keys="on", rate_limit="off") as built:
        yield built


def calls(house: House) -> int:
    path = house.folder / "key-calls"
    return len(path.read_text()) if path.exists() else 0


def test_only_a_valid_key_opens_the_api(locked: House) -> None:
    with locked.client() as client:
        for method, path in (
            ("POST", "/v1/jobs"),
            ("POST", "/generate"),
            ("GET", "/v1/jobs/x"),
            ("GET", "/v1/jobs/x/events"),
            ("POST", "/v1/jobs/x/retry"),
        ):
            refused = client.request(method, path)
            assert (refused.status_code, refused.json()["type"]) == (401, "/problems/unauthorized")
            assert refused.headers.get_list("www-authenticate") == ["Bearer"]
            assert (
                client.request(method, path, headers={"Authorization": f"Bearer {KEY}x"}).status_code == 401
            )
        # its key may stand in the body, which the web app reads
        assert client.post("/release_task", json={"ai_token": KEY}).json()["path"] == "/release_task"
        opened = client.post("/v1/jobs", headers={"Authorization": f"Bearer {KEY}"})
        assert opened.status_code == 202
        assert opened.json()["headers"]["authorization"] == f"Bearer {KEY}"
        assert "x-tutti-key-id" not in opened.headers
        for path in ("/", "/health", "/livez"):
            assert client.get(path).status_code == 200
    assert locked.line(http__response__status_code=202)["tutti"]["key"]["id"] == "k1"
    assert locked.line("job.refused", url__path="/v1/jobs")["tutti"]["reason"] == "unauthorized"


def test_an_answer_about_a_key_is_remembered(locked: House) -> None:
    with locked.client(headers={"Authorization": f"Bearer {KEY}"}) as client:
        assert {client.get("/v1/jobs").status_code for _ in range(10)} == {200}
    assert calls(locked) <= 2
    with locked.client(headers={"Authorization": "Bearer wrong"}) as client:
        assert {client.get("/v1/jobs").status_code for _ in range(10)} == {401}
    assert calls(locked) <= 4


@pytest.mark.timeout(90)
def test_a_revoked_key_is_refused_within_30_seconds(locked: House) -> None:
    with locked.client(headers={"Authorization": f"Bearer {KEY}"}) as client:
        assert client.get("/v1/jobs").status_code == 200
        (locked.folder / "keys").write_text("")
        until(lambda: client.get("/v1/jobs").status_code == 401, "the key is refused", seconds=30)


def test_the_key_is_in_clear_in_no_file_on_a_disk(locked: House) -> None:
    with locked.client(headers={"Authorization": f"Bearer {KEY}", "X-API-Key": KEY}) as client:
        client.get("/v1/jobs")
        client.post("/v1/jobs", content=b"x" * 300_000)
        client.get("/output/none.wav", headers={"Cookie": f"tutti_key_{locked.port}={KEY}"})
    locked.line(url__path="/output/none.wav")
    cache = cache_folder(locked.data / "run")
    assert cache is not None
    assert subprocess.check_output(["stat", "-fc", "%T", cache], text=True) == "tmpfs\n"
    assert cache.stat().st_mode & 0o077 == 0
    assert any(KEY.encode() in file.read_bytes() for file in cache.rglob("*") if file.is_file()), (
        "look for it elsewhere"
    )
    searched = [file for file in locked.data.rglob("*") if file.is_file()]
    assert {file.name for file in searched} >= {"nginx.jsonl", "nginx-error.log", "nginx.conf"}
    assert [file for file in searched if KEY.encode() in file.read_bytes()] == []
    locked.stop()
    assert not cache.exists()


def in_memory() -> set[str]:
    """What gateways keep in memory now. Other tests' gateways may run beside."""
    return {path.name for path in MEMORY.glob("tutti-*")}


def test_what_a_killed_gateway_left_in_memory_is_removed_by_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1/keys").write_text(KEY)
    with standing(tmp_path / "1", keys="on") as killed:
        with killed.client(headers={"Authorization": f"Bearer {KEY}"}) as client:
            client.get("/v1/jobs")
        left = cache_folder(killed.data / "run")
        assert killed.gateway is not None
        assert left is not None
        assert any(KEY.encode() in file.read_bytes() for file in left.rglob("*") if file.is_file())
        killed.gateway.kill()
        killed.gateway.wait()
    lock = left.with_suffix(".lock")
    for name in "23":
        (tmp_path / name).mkdir()
    with standing(tmp_path / "2", keys="on") as lives, house(tmp_path / "3") as next_one:
        kept = cache_folder(lives.data / "run")
        assert kept is not None
        assert not in_memory() & {left.name, lock.name}, "the next gateway, of another folder, removed it"
        next_one.start()
        assert kept.is_dir(), "a gateway without keys leaves alone what one that lives holds"
        assert lives.stop() == 0
    assert not in_memory() & {kept.name, kept.with_suffix(".lock").name}


def test_two_gateways_of_one_folder_are_one_too_many(locked: House) -> None:
    first, locked.options["port"] = locked.gateway, free_port()
    try:
        with pytest.raises(AssertionError, match="another gateway runs in this data folder"):
            locked.start()
    finally:
        second, locked.gateway = locked.gateway, first
        assert second is not None
        second.kill()


def test_asking_is_answered_503_while_no_node_can_tell(locked: House) -> None:
    locked.nodes["n1"].kill()
    with locked.client(headers={"Authorization": f"Bearer {KEY}"}) as client:
        answer = client.get("/v1/jobs")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
