"""Old audio goes, what is used stays."""

from __future__ import annotations

import pytest

from tests.ledgers import accept_one, new_job, register, run

DAY = 86_400.0


@pytest.fixture
def deleted():
    return []


def test_audio_is_deleted_by_age_with_all_its_formats_and_its_record_says_so(ledger, clock, deleted):
    epoch = register(ledger)
    old = accept_one(ledger)
    run(ledger, old, epoch=epoch)
    clock.now += 20 * DAY
    young = accept_one(ledger)
    run(ledger, young, epoch=register(ledger))
    clock.now += 15 * DAY
    assert ledger.retention.expire_songs(deleted.extend, 30 * DAY) == 1
    assert {f"{old}.{suffix}" for suffix in ("wav", "flac", "mp3", "opus", "mid")} == set(deleted)
    assert ledger.views.get(old).extra["expired_at"] == clock.now
    assert ledger.retention.expire_songs(deleted.extend, 30 * DAY) == 0


def test_audio_that_was_given_to_another_counts_its_age_from_then(ledger, clock, deleted):
    first = accept_one(ledger, seed=7)
    run(ledger, first, epoch=register(ledger))
    clock.now += 29 * DAY
    again = accept_one(ledger, seed=7)
    clock.now += 2 * DAY
    assert ledger.retention.expire_songs(deleted.extend, 30 * DAY) == 0
    clock.now += 29 * DAY
    assert ledger.retention.expire_songs(deleted.extend, 30 * DAY) == 1
    assert ledger.views.get(again).extra["expired_at"] == clock.now


def test_a_song_that_expired_is_made_anew(ledger, clock, deleted):
    run(ledger, accept_one(ledger, seed=7), epoch=register(ledger))
    clock.now += 31 * DAY
    ledger.retention.expire_songs(deleted.extend, 30 * DAY)
    assert not ledger.submissions.accept(new_job(seed=7)).result().job.cache_hit


def test_a_deletion_that_fails_is_tried_again_and_nobody_is_given_that_audio(ledger, clock, deleted):
    old = accept_one(ledger, seed=7)
    run(ledger, old, epoch=register(ledger))

    def broken(_):
        raise OSError("the NAS is away")

    with pytest.raises(OSError, match="away"):
        ledger.retention.expire_songs(broken, 0.0)
    assert not ledger.submissions.accept(new_job(seed=7)).result().job.cache_hit
    assert ledger.retention.expire_songs(deleted.extend, 0.0) == 1
    assert f"{old}.wav" in deleted
