"""The commands that ask a server, as scripts run them: real processes, their output and their exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from compose.commands.jobs import batch
from tests.clients.conftest import until
from tests.servers.player import tone
from tests.servers.served import Served, serving
from tests.servers.workers import eventually

ROOT = Path(__file__).parents[2]


def run(*words: object, server: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """`tutti WORDS` against a server."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TUTTI_")}
    known = inherited | ({"TUTTI_SERVER": server} if server else {}) | environment
    command = [sys.executable, "-m", "compose.cli", *map(str, words)]
    return subprocess.run(
        command, env=known, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


def test_from_a_prompt_to_a_file(server: Served, tmp_path: Path) -> None:
    song = tmp_path / "song.flac"
    done = run("submit", "a plain tone", "--duration", 5, "--format", "flac", "-o", song, server=server.url)
    assert done.returncode == 0, done.stderr
    assert str(song) in done.stdout
    assert song.read_bytes().startswith(b"fLaC")


def test_submit_watch_get_list(server: Served, tmp_path: Path) -> None:
    submitted = run(
        "submit", until(tmp_path / "go"), "--duration", 5, "--json", "--server", server.url
    )  # fmt: skip
    job_id = json.loads(submitted.stdout)["id"]
    assert run("get", job_id, "-o", tmp_path, server=server.url).returncode == 1  # no song yet
    (tmp_path / "go").touch()
    watched = run("watch", job_id, "--json", "-o", tmp_path / "songs", server=server.url)
    lines = [json.loads(line) for line in watched.stdout.splitlines()]
    assert {line["id"] for line in lines} == {job_id}
    assert lines[-1]["state"] == "succeeded"
    (song,) = lines[-1]["files"]
    assert hashlib.sha256(Path(song).read_bytes()).hexdigest() == lines[-1]["outputs"][0]["sha256"]
    shown = json.loads(run("get", job_id, "--json", server=server.url).stdout)
    assert shown["outputs"] == lines[-1]["outputs"]
    listed = run("list", "--state", "succeeded", "--limit", 100, "--json", server=server.url).stdout
    assert job_id in [json.loads(line)["id"] for line in listed.splitlines()]
    assert job_id in run("list", "--limit", 100, server=server.url).stdout


def test_a_batch_of_json_lines(server: Served, tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(tone(6))
    wishes = [
        {"prompt": "first of three", "duration": 5},
        {"prompt": "a cover of a tone", "task_type": "cover", "source_file": "tone.wav"},
        {"prompt": "third of three", "duration": 6, "format": "flac"},
    ]
    file = tmp_path / "wishes.jsonl"
    file.write_text("".join(json.dumps(wish) + "\n" for wish in wishes))
    done = run("submit", "--batch", file, "-o", tmp_path / "songs", "--json", server=server.url)
    assert done.returncode == 0, done.stderr
    jobs = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(job["request"]["prompt"] for job in jobs) == sorted(wish["prompt"] for wish in wishes)
    (cover,) = (job for job in jobs if job["request"]["task_type"] == "cover")
    digest = hashlib.sha256((tmp_path / "tone.wav").read_bytes()).hexdigest()
    assert cover["request"]["source_audio"] == digest
    assert len(list((tmp_path / "songs").iterdir())) == 3


def test_a_batch_sent_twice_under_one_name_is_made_once(server: Served, tmp_path: Path) -> None:
    file = tmp_path / "wishes.csv"
    file.write_text('prompt,duration,bpm\n"slow, and calm",5,80\nfast and loud,5.5,\n')
    name = f"{tmp_path}"
    first = run("submit", "--batch", file, "--once", name, server=server.url)
    second = run("submit", "--batch", file, "--once", name, server=server.url)
    assert len(first.stdout.split()) == 2
    assert first.stdout == second.stdout
    wanted = httpx.get(f"{server.url}/v1/jobs/{first.stdout.split()[0]}").json()["request"]
    assert (wanted["prompt"], wanted["bpm"], wanted["duration"]) == ("slow, and calm", 80, 5)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.jsonl", '{"prompt": "good enough"}\n{"prompt": "no", "bpm": 2}\n', "a.jsonl:2: prompt needs"),
        ("a.jsonl", '{"prompt": "good enough"\n', "a.jsonl:1: is not JSON"),
        ("a.jsonl", "[1]\n", "a.jsonl:1: has to be an object"),
        ("a.jsonl", "\n\n", "there is no job in it"),
        ("a.jsonl", '{"prompt": "a cover", "task_type": "cover", "source_file": "x.wav"}', "is no file"),
        ("a.csv", "prompt,bpm\ngood enough,fast\n", "a.csv:2: bpm has to be a whole number"),
        ("a.csv", "prompt,tempo\ngood enough,80\n", "a.csv:2: tempo is not a field"),
        ("a.csv", "prompt,bpm\ngood enough\n", "a.csv:2: has another number of cells"),
        ("a.csv", 'prompt\n"good enough\n', "unexpected end"),
        ("a.csv", "prompt,bpm,bpm\ngood enough,80,90\n", "a.csv:1: names bpm twice"),
        ("a.jsonl", '{"prompt": "good enough", "bpm": 80, "bpm": 90}', "a.jsonl:1: is not JSON: bpm stands"),
        ("a.jsonl", 'nonsense\n{"prompt": "no"}\n', "a.jsonl:2: prompt needs"),
        ("a.jsonl", 'nonsense\n{"prompt": "no"}\n', "a.jsonl:1: is not JSON"),
        ("a.jsonl", "[" * 100_000, "a.jsonl:1: is not JSON"),
    ],
)
def test_a_wrong_batch_is_refused_before_anything_is_sent(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(batch.BatchError) as wrong:
        batch.read(tmp_path / name)
    assert why in str(wrong.value)


@pytest.mark.parametrize("odd", ["\u2028", "\u0085", "\x0c", "\r\n"])
def test_a_line_ends_where_the_format_says_so(tmp_path: Path, odd: str) -> None:
    """Other characters that end lines in Python's eyes may stand in a cell or a string."""
    lyrics = f"la{odd}la"
    (tmp_path / "a.csv").write_bytes(f'prompt,lyrics\r\ngood enough,"{lyrics}"\r\nalso good,\r\n'.encode())
    wish = json.dumps({"prompt": "good enough", "lyrics": lyrics}, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_bytes(f'{wish}\r\n{{"prompt": "also good"}}\r\n'.encode())
    for name in ("a.csv", "a.jsonl"):
        if name == "a.csv" or odd not in {"\x0c", "\r\n"}:  # control characters are escaped in JSON
            first, second = batch.read(tmp_path / name)
            assert (first.fields["lyrics"], second.fields) == (lyrics, {"prompt": "also good"})


def test_exit_codes(server: Served, tmp_path: Path) -> None:
    unknown = "a_00000000000000000000000000"
    waiting = httpx.post(
        f"{server.url}/v1/jobs", json={"prompt": until(tmp_path / "never"), "duration": 5}
    ).json()["id"]
    done = run("submit", "a plain tone", "--duration", 5, "--wait", "--json", server=server.url)
    made = json.loads(done.stdout)["id"]
    codes = {
        "a job that fails": run("submit", "refuse refuse refuse", "--wait", server=server.url),
        "a wrong command": run("submit", server=server.url),
        "a wrong value": run("submit", "a tone", "--bpm", 1, server=server.url),
        "a wrong address": run("get", unknown, server="http://"),
        "an unknown job": run("get", unknown, server=server.url),
        "too late": run("cancel", made, server=server.url),
        "nobody there": run("watch", waiting, "--timeout", 1, server="http://127.0.0.1:9"),
        "too long": run("watch", waiting, "--timeout", 1, server=server.url),
        "cancelled": run("cancel", waiting, server=server.url),
        "ended without": run("watch", waiting, server=server.url),
    }
    assert {what: answer.returncode for what, answer in codes.items()} == {
        "a job that fails": 1,
        "a wrong command": 2,
        "a wrong value": 2,
        "a wrong address": 2,
        "an unknown job": 4,
        "too late": 5,
        "nobody there": 7,
        "too long": 7,
        "cancelled": 0,
        "ended without": 1,
    }
    assert "does not make that" in codes["a job that fails"].stderr
    assert "nothing to cancel" in codes["too late"].stderr
    assert not [answer for answer in codes.values() if "Traceback" in answer.stderr]


def test_keys(tmp_path: Path) -> None:
    with serving(tmp_path / "cell", worker=False, keys="on") as locked:
        made = subprocess.run(
            [sys.executable, "-m", "compose.cli", "keys", "add", "ann"],
            env=locked.system.environment, cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        key = made.stdout.strip()
        assert run("submit", "a plain tone", server=locked.url).returncode == 3
        assert run("submit", "a plain tone", "--key", "tutti_wrong", server=locked.url).returncode == 3
        assert run("submit", "a plain tone", "--key", key, server=locked.url).returncode == 0
        listed = run("list", "--json", server=locked.url, TUTTI_API_KEY=key)
        assert [json.loads(line)["state"] for line in listed.stdout.splitlines()] == ["queued"]
        assert key not in run("settings", TUTTI_API_KEY=key).stdout


def test_errors_as_json(server: Served) -> None:
    refused = run("get", "a_00000000000000000000000000", "--json", server=server.url)
    document = json.loads(refused.stderr)
    assert document["error"] == "NotFound"
    assert document["problem"]["type"] == "/problems/unknown_job"


def test_an_interrupted_wait_leaves_the_job(server: Served, tmp_path: Path) -> None:
    environment = os.environ | {"TUTTI_SERVER": server.url}
    command = [sys.executable, "-m", "compose.cli", "submit", until(tmp_path / "never"), "--wait"]
    before = {job["id"] for job in httpx.get(f"{server.url}/v1/jobs?limit=100").json()["jobs"]}

    def new() -> list[str]:
        jobs = httpx.get(f"{server.url}/v1/jobs?limit=100").json()["jobs"]
        return [job["id"] for job in jobs if job["id"] not in before]

    with subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        eventually(new)
        process.send_signal(2)
        _, words = process.communicate(timeout=120)
    (job_id,) = new()
    httpx.post(f"{server.url}/v1/jobs/{job_id}/cancel")
    assert process.returncode == 130
    assert "Traceback" not in words
    assert job_id in words
