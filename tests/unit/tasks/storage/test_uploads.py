"""Uploads expire by their last use; what an open job needs, and what is in use, stays."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from tasks.storage.uploads import ABANDONED, Uploads

DAY = 86_400.0


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path)


def upload(uploads: Uploads, text: str, age: float = 0.0) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    received = uploads.folder / f".{text}.tmp"
    received.write_text(text)
    uploads.keep(received, digest)
    received.unlink()
    aged(uploads.folder / digest, age)
    return digest


def aged(path: Path, age: float) -> None:
    at = time.time() - age
    os.utime(path, (at, at))


def names(uploads: Uploads) -> set[str]:
    return {path.name for path in uploads.folder.iterdir()}


def test_an_upload_goes_by_age_unless_a_job_needs_it(uploads):
    old, needed = upload(uploads, "a", 8 * DAY), upload(uploads, "b", 8 * DAY)
    young = upload(uploads, "c", 6 * DAY)
    assert uploads.expire(7 * DAY, {needed}) == 1
    assert names(uploads) == {needed, young}
    assert not uploads.use(old)


def test_a_use_makes_it_young(uploads):
    digest = upload(uploads, "a", 8 * DAY)
    assert uploads.use(digest)
    assert uploads.expire(7 * DAY, ()) == 0


def test_the_same_bytes_again_make_it_young(uploads):
    digest = upload(uploads, "a", 8 * DAY)
    (received := uploads.folder / ".again.tmp").write_text("a")
    uploads.keep(received, digest)
    assert uploads.expire(7 * DAY, ()) == 0


def test_a_use_while_it_is_about_to_go_keeps_it(uploads, monkeypatch):
    digest = upload(uploads, "a", 8 * DAY)
    rename = Path.rename

    def used_before(path: Path, target: Path) -> Path:
        uploads.use(digest)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", used_before)
    assert uploads.expire(7 * DAY, ()) == 0
    assert names(uploads) == {digest}


def test_unfinished_uploads_go_when_their_sender_is_long_gone(uploads):
    for name, age in ((".gone.tmp", ABANDONED + 60), (".here.tmp", 60.0)):
        (uploads.folder / name).touch()
        aged(uploads.folder / name, age)
    uploads.expire(7 * DAY, ())
    assert names(uploads) == {".here.tmp"}


def test_files_of_others_stay(uploads):
    (uploads.folder / "README").touch()
    aged(uploads.folder / "README", 100 * DAY)
    assert uploads.expire(7 * DAY, ()) == 0
    assert names(uploads) == {"README"}


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    absent = Uploads(tmp_path / "none")
    assert (absent.expire(0.0, ()), absent.used_share()) == (0, 0.0)
