"""The folder is lost, and comes back from the archive: songs, links, sessions, and what still waited."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tasks.jobs import JobRequest, new_job_id
from tasks.ledger import Ledger, NewJob
from tasks.storage.uploads import Uploads
from tests.field.house import PLAIN, TUTTI, song, tutti, until, up, variables
from tests.servers.postgresql import Postgresql


def test_a_lost_folder_comes_back_with_signed_links_and_sessions(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    with up(tmp_path, "var", sign_output="true") as first:
        browser = httpx.Client(base_url=first.url)
        browser.get("/")
        made = song(first.url)
        upload = httpx.post(
            f"{first.url}/v1/uploads",
            content=httpx.get(str(made["url"])).content,
            headers={"content-type": "audio/wav"},
        )
        assert upload.status_code == 201, upload.text
        (tmp_path / "var" / "lora").mkdir()
        (tmp_path / "var" / "lora" / "mine.safetensors").write_bytes(b"adapter")
        done = tutti("backup", str(archive), cwd=tmp_path, data="var")
        assert done.returncode == 0, done.stderr
        cookies, port = dict(browser.cookies), first.port
        refused = tutti("restore", str(archive), cwd=tmp_path, data="var", port=str(port))
        assert refused.returncode == 1
        assert "stop it first" in refused.stderr
    shutil.rmtree(tmp_path / "var")
    done = tutti("restore", str(archive), cwd=tmp_path, data="var", sign_output="true")
    assert done.returncode == 0, done.stderr
    with up(tmp_path, "var", sign_output="true", port=str(port)) as second:
        link = str(made["url"]).replace(f":{port}", f":{second.port}")
        assert httpx.get(link).content[:4] == b"RIFF"
        assert httpx.get(link.partition("?")[0]).status_code == 403
        assert not httpx.get(f"{second.url}/", cookies=cookies).headers.get("set-cookie")
        assert (tmp_path / "var" / "lora" / "mine.safetensors").read_bytes() == b"adapter"
        assert list((tmp_path / "var" / "upload").iterdir())
        assert second.job(str(made["id"]))["state"] == "succeeded"


def test_a_backup_that_was_killed_goes_on_and_a_restore_too(tmp_path: Path) -> None:
    data, archive, contents = tmp_path / "var", tmp_path / "archive", tmp_path / "archive" / "contents"
    with Ledger(f"sqlite:///{data / 'ledger.db'}") as ledger:
        new = NewJob(
            id=new_job_id("a"),
            request=JobRequest(prompt="calm piano"),
            model_queue="sketch@1",
            traceparent="",
        )
        ledger.submissions.accept(new).result(30)
    (data / "output").mkdir()
    songs = {f"song-{number}.wav": bytes([number]) * 400_000 for number in range(150)}
    for name, content in songs.items():
        (data / "output" / name).write_bytes(content)
    (data / "output" / "half.wav.tmp").write_bytes(b"not finished")
    environment = PLAIN | variables({"data": str(data)})
    first = subprocess.Popen([TUTTI, "backup", archive], env=environment, cwd=tmp_path)
    until(lambda: len(list(contents.glob("*/*"))) > 30)
    first.send_signal(signal.SIGKILL)
    first.wait(30)
    assert tutti("restore", str(archive), cwd=tmp_path, data="other").returncode == 1
    begun = {path.name: path.stat().st_mtime_ns for path in contents.glob("*/*")}
    assert tutti("backup", str(archive), cwd=tmp_path, data="var").returncode == 0
    kept = {path.name: path.stat().st_mtime_ns for path in contents.glob("*/*")}
    assert not list(contents.glob(".*.tmp"))
    assert sum(kept.get(name) == at for name, at in begun.items()) >= 30

    done = tutti("restore", str(archive), cwd=tmp_path, data="other")
    assert done.returncode == 0, done.stderr
    back = {path.name: path.read_bytes() for path in (tmp_path / "other" / "output").glob("*.wav")}
    assert back == songs
    assert tutti("restore", str(archive), cwd=tmp_path, data="other").returncode == 1
    again = tutti("restore", str(archive), "--replace", cwd=tmp_path, data="other")
    assert "0 files were written" in again.stdout, again.stderr
    assert "1 queued" in tutti("status", cwd=tmp_path, data="other").stdout
    assert list((tmp_path / "other").glob("ledger.db.before-restore-*"))


def test_what_is_linked_oddly_named_or_another_persons_comes_back(tmp_path: Path) -> None:
    """Who may use an upload, adapters that lie elsewhere, names that are no UTF-8; no pipe is waited for."""
    data, archive = tmp_path / "var", tmp_path / "archive"
    Ledger(f"sqlite:///{data / 'ledger.db'}").close()
    uploads = Uploads(data / "upload")
    uploads.folder.mkdir()
    digest = hashlib.sha256(b"sound").hexdigest()
    (received := uploads.folder / ".received.tmp").write_bytes(b"sound")
    uploads.keep(received, digest, "me", "key:k")
    elsewhere = tmp_path / "models" / "mine"
    elsewhere.mkdir(parents=True)
    (elsewhere / "adapter.safetensors").write_bytes(b"weights")
    (elsewhere / "back").symlink_to(elsewhere)
    lora = data / "lora"
    lora.mkdir()
    for name in ("mine", "yours"):
        (lora / name).symlink_to(elsewhere)
    odd = os.fsdecode(b"na\xffme.safetensors")
    (lora / odd).write_bytes(b"odd")
    os.mkfifo(lora / "pipe")
    done = tutti("backup", str(archive), cwd=tmp_path, data="var")
    assert done.returncode == 0, done.stderr
    done = tutti("restore", str(archive), cwd=tmp_path, data="other")
    assert done.returncode == 0, done.stderr
    back = Uploads(tmp_path / "other" / "upload")
    assert back.use(digest, {"me"})
    assert not back.use(digest, {"you"})
    assert back.bytes_of("key:k") == 5
    for name in ("mine", "yours"):
        assert (tmp_path / "other" / "lora" / name / "adapter.safetensors").read_bytes() == b"weights"
    assert (tmp_path / "other" / "lora" / odd).read_bytes() == b"odd"


def test_an_archive_is_not_laid_into_what_it_is_to_hold(tmp_path: Path) -> None:
    Ledger(f"sqlite:///{tmp_path / 'var' / 'ledger.db'}").close()
    done = tutti("backup", str(tmp_path / "var" / "output" / "archive"), cwd=tmp_path, data="var")
    assert (done.returncode, "name another folder" in done.stderr) == (1, True)
    nowhere = f"postgresql://tutti@/tutti?host={tmp_path}"
    done = tutti("backup", str(tmp_path / "archive"), cwd=tmp_path, data="var", ledger_url=nowhere)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "No backup was made" in done.stderr


def test_a_damaged_content_is_never_restored(tmp_path: Path) -> None:
    data, archive = tmp_path / "var", tmp_path / "archive"
    Ledger(f"sqlite:///{data / 'ledger.db'}").close()
    (data / "output").mkdir()
    (data / "output" / "a.wav").write_bytes(b"a" * 1000)
    assert tutti("backup", str(archive), cwd=tmp_path, data="var").returncode == 0
    (content,) = [path for path in archive.glob("contents/*/*") if path.stat().st_size == 1000]
    content.write_bytes(b"b" * 1000)
    done = tutti("restore", str(archive), cwd=tmp_path, data="other")
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert not (tmp_path / "other" / "ledger.db").exists()
    assert not (tmp_path / "other" / "output" / "a.wav").exists()


def test_a_folder_of_something_else_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    for command in ("backup", "restore"):
        done = tutti(command, str(tmp_path / "photos"), cwd=tmp_path, data="var")
        assert done.returncode == 1
        assert "archive" in done.stderr
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


@pytest.mark.parametrize("ways", ["there", "back"])
def test_a_ledger_moves_between_databases(ways: str, postgresql: Postgresql, tmp_path: Path) -> None:
    """What PostgreSQL holds comes back into SQLite, and the reverse, with what numbers itself going on."""
    url = postgresql.ledger_url()
    urls = {
        "there": ("sqlite:///" + str(tmp_path / "one.db"), url),
        "back": (url, "sqlite:///" + str(tmp_path / "two.db")),
    }
    source, target = urls[ways]
    with Ledger(source) as ledger:
        ids = [new_job_id("a") for _ in range(5)]
        for job_id in ids:
            request = JobRequest(prompt="calm piano ü 漢")
            ledger.submissions.accept(
                NewJob(id=job_id, request=request, model_queue="sketch@1", traceparent="")
            ).result(30)
        ledger.submissions.cancel(ids[0])
    archive = str(tmp_path / "archive")
    done = tutti("backup", archive, cwd=tmp_path, data="var", ledger_url=source)
    assert done.returncode == 0, done.stderr
    done = tutti("restore", archive, cwd=tmp_path, data="var", ledger_url=target)
    assert done.returncode == 0, done.stderr
    with Ledger(target) as ledger:
        assert [str(ledger.views.get(job_id).state) for job_id in ids] == ["cancelled", *["queued"] * 4]
        assert ledger.views.get(ids[1]).request.prompt == "calm piano ü 漢"
        ledger.submissions.cancel(ids[1])
        assert len(ledger.views.history(ids[1])) > len(ledger.views.history(ids[2]))
