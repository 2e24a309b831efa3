"""What is too old, or too much: songs, uploads, records."""

from __future__ import annotations

import pytest

from tasks.dispatch.retention import RecordRetention, RetentionSteps, SongRetention, UploadRetention
from tasks.jobs import ErrorClass, JobError
from tasks.storage.songs import Storage
from tasks.storage.uploads import Uploads
from tests.ledgers import accept_one, register, run
from tests.unit.tasks.storage.test_uploads import names, upload

DAY, HOUR = 86_400.0, 3600.0


@pytest.fixture
def storage(tmp_path) -> Storage:
    storage = Storage(tmp_path / "output")
    storage.prepare()
    return storage


@pytest.fixture
def uploads(tmp_path) -> Uploads:
    (tmp_path / "upload").mkdir()
    return Uploads(tmp_path / "upload")


def song(ledger, storage: Storage) -> str:
    job_id = accept_one(ledger)
    run(ledger, job_id, epoch=register(ledger))
    (storage.folder / f"{job_id}.wav").write_bytes(b"song")
    return job_id


def test_songs_go_by_age(ledger, clock, storage):
    old = song(ledger, storage)
    clock.now += 31 * DAY
    young = song(ledger, storage)
    assert SongRetention(ledger, storage, 30.0, 1.0).expire() == 1
    assert not (storage.folder / f"{old}.wav").exists()
    assert (storage.folder / f"{young}.wav").exists()


def test_the_oldest_songs_go_while_the_disk_is_too_full(ledger, clock, storage, monkeypatch):
    ids = [song(ledger, storage) for _ in range(3)]
    shares = iter([0.95, 0.85])
    monkeypatch.setattr(storage, "used_share", lambda: next(shares))
    assert SongRetention(ledger, storage, 30.0, 0.9).expire() == 3
    assert not any((storage.folder / f"{one}.wav").exists() for one in ids)


def test_an_upload_that_an_open_job_needs_stays_and_goes_when_the_job_has_ended(ledger, uploads):
    source = upload(uploads, "a", 8 * DAY)
    idle = upload(uploads, "b", 8 * DAY)
    job_id = accept_one(ledger, task_type="cover", source_audio=source)
    accept_one(ledger, prompt='no "source_audio" at all')
    retention = UploadRetention(uploads, ledger.uploads.needed, 7.0, 1.0)
    assert retention.expire() == 1
    assert names(uploads) == {source}
    assert idle not in names(uploads)
    ledger.submissions.cancel(job_id)
    assert retention.expire() == 1
    assert names(uploads) == set()


def test_a_reference_is_needed_too(ledger):
    digest = "0" * 64
    accept_one(ledger, reference_audio=digest)
    assert ledger.uploads.needed() == {digest}


def test_uploads_go_sooner_while_their_disk_is_too_full(uploads, monkeypatch):
    upload(uploads, "old", 2 * HOUR)
    young = upload(uploads, "young", 60.0)
    monkeypatch.setattr(uploads, "used_share", lambda: 0.95)
    assert UploadRetention(uploads, set, 7.0, 0.9).expire() == 1
    assert names(uploads) == {young}


def test_records_go_in_groups_until_none_is_old_or_another_leads(ledger, clock, monkeypatch):
    monkeypatch.setattr("tasks.dispatch.retention.RECORDS_AT_ONCE", 2)
    for _ in range(5):
        ledger.submissions.cancel(accept_one(ledger))
    clock.now += 10 * DAY
    leads = iter([True, False])
    assert RecordRetention(ledger, 9.0, lambda: next(leads)).expire() == 2
    assert RecordRetention(ledger, 9.0, lambda: True).expire() == 3
    assert ledger.views.page().jobs == []


def test_a_step_that_fails_leaves_the_others_alone():
    done = []

    def away() -> int:
        raise JobError(ErrorClass.STORAGE_UNAVAILABLE, "the NAS is away")

    def denied() -> int:
        raise PermissionError("not ours")

    assert RetentionSteps((away, denied, lambda: done.append(1) or 1)).step() > 0
    assert done == [1]
