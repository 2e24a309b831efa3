"""Uploads become stereo at the model's rate, or a clear error."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from tasks.engines.acestep.plan import uploads
from tasks.jobs import ErrorClass, JobError
from tests.needs import program
from tests.unit.tasks.engines.acestep.songs import song

RATE = 8_000


def tone(seconds: float, rate: int, channels: int = 2) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return np.stack([np.sin(2 * np.pi * 220 * time)] * channels).astype(np.float32) * 0.5


@pytest.mark.parametrize(
    ("kind", "subtype"), [("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", None)]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats_rates_and_channels(folder, upload, kind, subtype, channels):
    name = upload(tone(6.0, 44_100, channels), 44_100, kind, subtype)
    audio = uploads.read(folder / "upload", name, RATE)
    assert audio.shape[0] == 2
    assert abs(audio.shape[1] - 6.0 * RATE) < 0.1 * RATE
    spectrum = np.abs(np.fft.rfft(audio[0].numpy()))
    assert abs(np.argmax(spectrum) * RATE / audio.shape[1] - 220) < 1


def test_formats_of_ffmpeg(folder, upload, tmp_path):
    ffmpeg = program("ffmpeg")
    plain = folder / "upload" / upload(tone(6.0, 44_100), 44_100)
    made = tmp_path / "song.m4a"
    subprocess.run([ffmpeg, "-v", "error", "-i", str(plain), "-c:a", "aac", str(made)], check=True)
    name = "a" * 64
    shutil.copy(made, folder / "upload" / name)
    assert abs(uploads.read(folder / "upload", name, RATE).shape[1] - 6.0 * RATE) < 0.1 * RATE


def refused(folder, name: str) -> str:
    with pytest.raises(JobError) as error:
        uploads.read(folder / "upload", name, RATE)
    assert error.value.error_class is ErrorClass.INVALID_REQUEST
    return error.value.detail


def test_what_cannot_be_used_says_why(folder, upload):
    (folder / "upload").mkdir(exist_ok=True)
    (folder / "upload" / ("b" * 64)).write_bytes(b"this is no sound" * 100)
    assert "audio" in refused(folder, "b" * 64)
    assert "upload the audio again" in refused(folder, "c" * 64)
    assert "upload the audio again" in refused(folder, "../../etc/passwd")
    assert "5 to 600 s" in refused(folder, upload(tone(1.0, RATE), RATE))
    assert "5 to 600 s" in refused(folder, upload(np.zeros((1, 601 * 1_000), np.float32), 1_000))
    broken = tone(6.0, RATE)
    broken[0, 7] = np.nan
    assert "no sound" in refused(folder, upload(broken, RATE))


def test_a_header_cannot_hide_a_large_file(folder, upload, monkeypatch):
    monkeypatch.setattr(uploads, "BYTES_MAX", 1_000)
    assert "larger than" in refused(folder, upload(tone(6.0, RATE), RATE))


def test_the_engine_refuses_before_anything_is_computed(engine):
    with pytest.raises(JobError, match="upload the audio again"):
        engine.admit(song(1, task_type="cover", source_audio="d" * 64))
    assert engine.fits([], song(2, task_type="cover", source_audio="d" * 64))
