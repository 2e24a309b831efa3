"""`tutti doctor` finds what is set wrongly before a user does, and has nothing to say of what is set well."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.field.house import tutti, up
from tests.servers.tutti import free_port

MISTAKES = {
    "another program's broker": ({}, {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}, "CELERY_BROKER_URL"),
    "an orchestrator's variable": ({}, {"FLOWER_PORT": "tcp://10.0.0.3:5555"}, "FLOWER_PORT"),
    "a setting that is none": ({"pubic_url": "https://a.example"}, {}, "TUTTI_PUBLIC_URL"),
    "a wrong network": ({"trusted_proxies": "10.0.0.0/33"}, {}, "TUTTI_TRUSTED_PROXIES"),
    "a host that is none": ({"host": "no.such.host.invalid"}, {}, "no.such.host.invalid"),
    "any address may be believed": ({"trusted_proxies": "0.0.0.0/0"}, {}, "whose address theirs is"),
    "everybody is a keeper": ({"admin_networks": "127.0.0.1, ::/0"}, {}, "everybody sees metrics"),
    "https ended in front": ({"public_url": "https://music.example"}, {}, "TUTTI_TRUSTED_PROXIES names none"),
    "a name that leads to a proxy": ({"public_url": "http://music.example/tutti"}, {}, "are one address"),
    "links of every address": ({"host": "0.0.0.0"}, {}, "set TUTTI_PUBLIC_URL"),
    "half of TLS": ({"tls_key": "key.pem"}, {}, "needs both"),
    "a storage that is no folder": ({"storage": "s3://bucket/songs"}, {}, "TUTTI_STORAGE: has to be a path"),
    "a broker that is not there": ({"broker_url": "redis://127.0.0.1:1/0"}, {}, "TUTTI_BROKER_URL"),
    "a ledger that is not there": (
        {"ledger_url": "postgresql://tutti:hidden@127.0.0.1:1/tutti"},
        {},
        "the ledger cannot be opened",
    ),
    "an engine that is none": ({"engine": "sketsch"}, {}, "sketsch"),
}


@pytest.mark.parametrize(("wrong", "beside", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(wrong: dict[str, str], beside: dict[str, str], told: str, tmp_path: Path) -> None:
    done = tutti("doctor", cwd=tmp_path, beside=beside, **{"data": "var", "port": str(free_port()), **wrong})
    assert told in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden" not in done.stdout + done.stderr


def test_modules_of_the_working_folder_are_named(tmp_path: Path) -> None:
    for name in ("tasks.py", "logging.py", "music.py"):
        (tmp_path / name).touch()
    done = tutti("doctor", cwd=tmp_path, data="var", port=str(free_port()))
    assert "logging.py, tasks.py in" in done.stdout
    assert "music.py" not in done.stdout


def test_a_secret_that_went_missing_is_named(tmp_path: Path) -> None:
    with up(tmp_path, "var", gateway="off"):
        assert (tmp_path / "var/secret").exists()
    for there in (True, False):
        if not there:
            (tmp_path / "var/secret").unlink()
        done = tutti("doctor", cwd=tmp_path, data="var", port=str(free_port()))
        assert ("var/secret is gone" in done.stdout) == (not there)
        assert done.returncode == (not there), done.stdout


def test_what_is_set_well_is_no_mistake(tmp_path: Path) -> None:
    done = tutti(
        "doctor",
        cwd=tmp_path,
        data="take #1 [prod]",
        port=str(free_port()),
        public_url="https://music.example/tutti",
        trusted_proxies="10.0.0.0/8, 127.0.0.1",
    )
    assert done.returncode == 0, done.stdout
    expected = {"ffmpeg"} if shutil.which("ffmpeg") is None else set()
    notes = [line for line in done.stdout.splitlines() if line.strip().startswith(("note", "bad"))]
    assert all(any(word in line for word in {*expected, "root", "GB free", "nginx"}) for line in notes), notes
    assert [path.name for path in tmp_path.iterdir()] == ["take #1 [prod]"]
