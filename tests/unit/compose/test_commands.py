"""The command line, as a person calls it: what it prints, what it refuses, how it ends."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from compose.cli import app
from compose.commands import capacity
from tasks.jobs import Job, JobRequest, JobState
from tasks.settings import Settings

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def tutti(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "compose.cli", *words]
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "120", **settings}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_wrong_setting_is_named_without_a_traceback() -> None:
    done = tutti("settings", TUTTI_PORT="eighty")
    assert done.returncode == 2
    assert done.stderr.startswith("TUTTI_PORT: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["status", "capacity", "keys list", "canary status"])
def test_a_ledger_that_is_away_is_named_without_a_traceback(words: str, tmp_path: Path) -> None:
    nowhere = f"postgresql://tutti@/tutti?host={tmp_path}"
    done = tutti(*words.split(), TUTTI_LEDGER_URL=nowhere, TUTTI_DATA=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing listens where TUTTI_LEDGER_URL leads" in done.stderr
    assert "TUTTI_LEDGER_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_part_waits_for_a_ledger_that_is_away_and_names_it(tmp_path: Path) -> None:
    nowhere = f"postgresql://tutti@/tutti?host={tmp_path}"
    environment = {"PATH": os.environ["PATH"], "TUTTI_LEDGER_URL": nowhere, "TUTTI_DATA": str(tmp_path)}
    command = [sys.executable, "-m", "compose.cli", "dispatch"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as part:
        assert part.stderr is not None
        told = part.stderr.readline()
        assert part.poll() is None
        part.terminate()
        assert part.wait(60) == 0
        told += part.stderr.read()
    assert "waits for the ledger: nothing listens where TUTTI_LEDGER_URL leads" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(("words", "follows"), [([], True), (["--watch"], True), (["--no-watch"], False)])
def test_the_gateway_follows_the_nodes_unless_told_not_to(
    words: list[str], *, follows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr("nginx.gateway.run", lambda *_, **options: told.append(options["follow"]) or 0)
    monkeypatch.setattr("compose.commands.parts.settings", lambda: Settings(data=tmp_path))
    assert CliRunner().invoke(app, ["gateway", *words]).exit_code == 0
    assert told == [follows]


def test_settings_hide_secrets() -> None:
    done = tutti("settings", "--plain", TUTTI_ELASTICSEARCH_API_KEY="hunter2")
    assert "TUTTI_ELASTICSEARCH_API_KEY=" in done.stdout
    assert "hunter2" not in done.stdout


def test_help_is_told_without_loading_torch_or_the_engines() -> None:
    code = "import sys, compose.cli; print([m for m in ('torch', 'scipy', 'duckdb') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["calm piano", "-o", "song.aiff"], "has to end in .wav, .flac, .mp3 or .opus"),
        (["calm piano", "--duration", "2"], "duration"),
        (["hm"], "prompt needs at least 5 characters"),
        (["calm piano", "-o", "nowhere/song.wav"], "does not exist"),
        (["calm piano", "--lyrics", "missing.txt"], "cannot read the lyrics"),
    ],
)
def test_generate_refuses_bad_input_before_it_works(
    words: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["generate", *words], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert complaint in done.output
    assert list(tmp_path.iterdir()) == []


def test_status_ends_with_1_where_no_worker_lives(tmp_path: Path) -> None:
    done = tutti("status", TUTTI_DATA=str(tmp_path))
    assert done.returncode == 1
    assert "0 queued" in done.stdout
    assert "none has ever registered" in done.stdout


def test_doctor_names_a_storage_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    done = tutti("doctor", TUTTI_DATA=str(tmp_path), TUTTI_STORAGE=str(blocked))
    assert done.returncode == 1
    assert "songs cannot be written" in done.stdout


def test_capacity_follows_from_the_songs_that_were_made() -> None:
    made = [
        Job(
            id=f"a_{number}",
            state=JobState.SUCCEEDED,
            request=JobRequest(prompt="calm piano", duration=60),
            created_at=START,
            started_at=START,
            finished_at=START + dt.timedelta(seconds=6),
        )
        for number in range(3)
    ]
    lines = capacity._report(made, [2, 2], queued=40, rate=5000.0)
    assert lines == [
        "a song of 60 s takes 6.0 s, 10.0x real time (median of 3 songs)",
        "living workers: 2, each 1,200 songs an hour, 2,400 in all",
        "queued: 40, done in about 1 min",
        "workers for 5,000 songs an hour, 70% busy: 6",
    ]
