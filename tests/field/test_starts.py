"""What cannot start says why, in one line and at once, rather than begin again for ever."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests import needs
from tests.field.house import PLAIN, TUTTI, tutti, variables
from tests.servers.tutti import free_port

PARTS = ("up", "web", "dispatch", "worker", "gateway", "flower", "ship")


WRONG = [
    ("trusted_proxies", "10.0.0.0/33", "10.0.0.0/33"),
    ("admin_networks", "127.0.0.1 ::1", "127.0.0.1 ::1"),
    ("web_nodes", "10.0.0.5:8001 heavy", "no web node"),
    ("ledger_url", "postgres/tutti", "postgresql://"),
    ("broker_url", "localhost:6379", "redis://"),
    ("host", "http://localhost", "TUTTI_PUBLIC_URL"),
    ("public_url", "music.example.org", "https://"),
    ("keep_day", "3", "TUTTI_KEEP_DAYS"),
]


@pytest.mark.parametrize(
    ("part", "setting", "value", "words"),
    [("up", *wrong) for wrong in WRONG] + [(part, *WRONG[0]) for part in PARTS[1:]],
)
def test_a_setting_that_cannot_be_is_named_by_every_part(
    part: str, setting: str, value: str, words: str, tmp_path: Path
) -> None:
    done = tutti(part, cwd=tmp_path, data=str(tmp_path / "var"), **{setting: value})
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"TUTTI_{setting.upper()}")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_space_around_a_value_is_no_part_of_it(tmp_path: Path) -> None:
    done = tutti(
        "settings", "--plain", cwd=tmp_path, host=" 127.0.0.1 ", port=" 8111", trusted_proxies=" 10.0.0.0/8 "
    )
    assert done.returncode == 0, done.stderr
    assert {"TUTTI_HOST=127.0.0.1", "TUTTI_PORT=8111"} <= set(done.stdout.splitlines())


@pytest.mark.parametrize("part", ["up", "web", "doctor"])
@pytest.mark.parametrize(
    ("host", "words"),
    [("no-such-host.invalid", "cannot be resolved"), ("192.0.2.77", "no address of this machine")],
)
def test_an_address_that_is_not_ours_is_told_from_a_port_in_use(
    part: str, host: str, words: str, tmp_path: Path
) -> None:
    done = tutti(part, cwd=tmp_path, data="var", host=host, port=str(free_port()), keys="off")
    assert done.returncode == 1
    assert words in done.stdout + done.stderr
    assert "in use" not in done.stdout + done.stderr


@pytest.mark.parametrize("part", ["up", "web", "doctor"])
def test_a_port_in_use_is_one(part: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = tutti(part, cwd=tmp_path, data="var", port=str(port))
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 is in use" in done.stdout + done.stderr


@pytest.mark.parametrize("part", ["up", "doctor"])
@pytest.mark.parametrize(("taken", "host"), [("::1", "::1"), ("::", "::")])
def test_a_port_in_use_on_ipv6_alone_is_one(part: str, taken: str, host: str, tmp_path: Path) -> None:
    with socket.create_server((taken, 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        done = tutti(part, cwd=tmp_path, data="var", host=host, port=str(port), keys="off")
    assert done.returncode == 1
    assert f"Port {port} of {host} is in use" in done.stdout + done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give a right of root's up")
@pytest.mark.parametrize("part", ["up", "web", "doctor"])
def test_a_port_for_root_is_told_from_one_in_use(part: str, tmp_path: Path) -> None:
    without = ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    done = subprocess.run(
        [needs.program("setpriv"), *without, "--", TUTTI, part],
        env=PLAIN | variables({"port": "80", "data": "var", "gateway": "off"}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "needs a right that this account lacks" in said
    assert "in use" not in said


def test_an_engine_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Engine: ...\n")
    done = tutti("up", cwd=tmp_path, data="var", engine="mine:Engine", port=str(free_port()))
    assert done.returncode == 1
    assert "TUTTI_ENGINE=mine:Engine" in done.stderr
    assert "TUTTI_PASS_ENVIRONMENT" in done.stderr


def test_a_run_folder_without_sockets_is_named(tmp_path: Path) -> None:
    """/proc takes no files at all, as exFAT takes no sockets."""
    for part in ("up", "worker", "doctor"):
        done = tutti(part, cwd=tmp_path, data="var", run="/proc/tutti", port=str(free_port()))
        assert done.returncode == 1
        assert "/proc/tutti" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_what_a_part_dies_of_is_on_the_console(tmp_path: Path) -> None:
    """The web app's own start fails: its lines go to a file, where nobody looks first."""
    data = tmp_path / "var"
    data.mkdir()
    (data / "ledger.db").write_bytes(b"this is no database" * 100)
    for part in ("web", "dispatch", "worker"):
        done = tutti(part, cwd=tmp_path, data=str(data), port=str(free_port()))
        assert done.returncode != 0
        assert "ledger" in done.stderr, (part, done.stderr)
