"""The recipes for JavaScript and curl make songs as they stand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests import needs
from tests.servers.served import Served

CLIENTS = Path(__file__).parents[2] / "clients"


def run(server: Served, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TUTTI_SERVER": server.url}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_curl(server: Served, tmp_path: Path) -> None:
    script, song = str(CLIENTS / "curl" / "song.sh"), tmp_path / "song.wav"
    wish = json.dumps({"prompt": "a plain tone", "duration": 5})
    done = run(server, "sh", script, wish, str(song))
    assert done.returncode == 0, done.stderr
    assert song.read_bytes().startswith(b"RIFF")
    assert run(server, "sh", script, '{"prompt": "no"}', str(song)).returncode != 0
    failing = json.dumps({"prompt": "refuse refuse refuse", "duration": 5})
    assert run(server, "sh", script, failing, str(tmp_path / "none.wav")).returncode == 1


def test_javascript(server: Served, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        needs.missing("node", "apt-get install nodejs")
    script, song = str(CLIENTS / "javascript" / "song.mjs"), tmp_path / "song.wav"
    done = run(server, node, script, "a plain tone", str(song))
    assert done.returncode == 0, done.stderr
    assert song.read_bytes().startswith(b"RIFF")
    wrong = run(server, node, script, "no", str(song))
    assert wrong.returncode != 0
    assert "needs at least 5 characters" in wrong.stderr
