"""The README's own commands, run as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import mido
import soundfile

from tests.servers import tutti as server
from tests.servers.tutti import ROOT

BLOCK = re.compile(r"<!-- tested: (\w+) -->\n```sh\n(.*?)```", re.DOTALL)


def commands(kind: str) -> list[str]:
    found = [text for name, text in BLOCK.findall((ROOT / "README.md").read_text()) if name == kind]
    assert found, f"the README has no commands marked 'tested: {kind}'"
    return found


def run(command: str, folder: Path) -> str:
    command = command.replace(".venv/bin/tutti", f"{sys.executable} -m compose.cli")
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    done = subprocess.run(
        ["sh", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_job_by_curl_becomes_a_song(tmp_path: Path) -> None:
    with server.running(tmp_path / "var") as tutti:
        for command in commands("http"):
            answer = json.loads(run(command.replace("http://127.0.0.1:8000", tutti.url), tmp_path))
            assert answer["state"] == "queued"
            assert tutti.wait(answer["id"])["state"] == "succeeded"


def test_a_song_without_any_server(tmp_path: Path) -> None:
    for command in commands("shell"):
        assert "20 s of music" in run(command, tmp_path)
    assert soundfile.info(tmp_path / "song.wav").frames == 20 * 48_000
    assert mido.MidiFile(tmp_path / "song.mid").length > 15
