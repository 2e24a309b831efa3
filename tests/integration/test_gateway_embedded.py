"""The gateway as `make run` starts it: web on a socket, loopback, no keys, no TLS."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from tests.servers.gateway import answers, house, until

ID = "a_01hzzzzzzzzzzzzzzzzzzzzzzz"


@pytest.fixture
def embedded(tmp_path: Path):
    with house(tmp_path) as built:
        run = built.data / "run"
        run.mkdir(parents=True)
        built.add_node("web", f"unix:{run}/web.sock")
        built.start()
        yield built


def test_gateway_stands_in_front_of_the_web_socket_and_ends_cleanly(embedded) -> None:
    with embedded.client() as client:
        assert client.get("/").text == "page"
        made = client.post("/v1/jobs", json={"prompt": "a calm song"})
    assert made.status_code == 202
    headers = made.json()["headers"]
    assert headers["x-real-ip"] == headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-tutti-lane"] == "stable"
    workers = embedded.generations()
    assert embedded.stop() == 0
    assert not answers(f"127.0.0.1:{embedded.port}")
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_gateway_serves_songs_from_the_storage_folder(embedded) -> None:
    (embedded.data / "output").mkdir(exist_ok=True)
    (embedded.data / f"output/{ID}.wav").write_bytes(b"RIFF" + bytes(range(200)))
    with embedded.client() as client:
        answer = client.get(f"/output/{ID}.wav", headers={"Range": "bytes=4-7"})
    assert (answer.status_code, answer.content) == (206, b"\x00\x01\x02\x03")


def test_killed_gateway_leaves_no_nginx_behind(embedded) -> None:
    embedded.gateway.send_signal(signal.SIGKILL)
    until(lambda: not answers(f"127.0.0.1:{embedded.port}"), "nginx ended")


def test_reopen_writes_on_into_a_new_file_after_a_rename(embedded) -> None:
    log = embedded.data / "log/nginx.jsonl"
    with embedded.client() as client:
        client.get("/before")
        until(log.read_bytes, "the first line")
        log.rename(log.with_suffix(".1"))
        embedded.reopen()
        until(log.exists, "the new file")
        client.get("/after")
    until(log.read_bytes, "the second line")
    assert [line["url"]["path"] for line in embedded.lines()] == ["/after"]


def test_gateway_needs_no_root(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("every other test shows it: the tests do not run as root")
    with house(tmp_path) as built:
        open_to_nobody(built.data)
        built.start(
            "import os, encodings.unicode_escape; os.setgroups([]); os.setgid(65534); os.setuid(65534)"
        )
        with built.client() as client:
            assert client.get("/v1/jobs").status_code == 503
        status = Path(f"/proc/{min(built.generations())}/status").read_text()
        assert "\nUid:\t65534\t65534" in status


def open_to_nobody(folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    for parent in folder.parents:
        if str(parent) not in {"/", tempfile.gettempdir()}:
            parent.chmod(parent.stat().st_mode | 0o055)
