"""Files that other programs read too."""

from __future__ import annotations

import io
import json
import subprocess
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile

from tasks.audio import ogg
from tasks.audio.encoding import EncodingError, encode
from tasks.jobs import AudioFormat
from tests import needs
from tests.probe import ProbeError, probe

RATE = 48_000
FORMATS = get_args(AudioFormat)
LOSSLESS = ("wav", "flac")


def music(seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    left = 0.4 * np.sin(2 * np.pi * 440 * time) * (1 + 0.5 * np.sin(2 * np.pi * 2 * time))
    return np.stack([left, 0.4 * np.sin(2 * np.pi * 554.37 * time)]).astype(np.float32)


@pytest.mark.parametrize("audio_format", FORMATS)
def test_a_file_lasts_as_long_as_its_song_and_sounds_like_it(
    audio_format: AudioFormat, tmp_path: Path
) -> None:
    samples = music(7.7654)
    path = tmp_path / f"song.{audio_format}"
    shares: list[float] = []
    written = encode(samples, RATE, path, audio_format, title="Tea 茶", progress=shares.append)
    assert written.frames == samples.shape[1]
    assert written.seconds == pytest.approx(7.7654, abs=1e-4)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    found = probe(path, seconds=7.7654)
    assert (found.rate, found.channels) == (RATE, 2)
    heard, _ = soundfile.read(path, dtype="float32", always_2d=True)
    whole = min(len(heard), samples.shape[1])
    assert np.corrcoef(heard[:whole, 0], samples[0, :whole])[0, 1] > 0.99
    with soundfile.SoundFile(path) as file:
        assert file.title == "Tea 茶"


@pytest.mark.parametrize("audio_format", FORMATS)
def test_ffmpeg_decodes_every_format_to_the_same_length(audio_format: AudioFormat, tmp_path: Path) -> None:
    ffprobe, ffmpeg = (needs.program(name, package="ffmpeg") for name in ("ffprobe", "ffmpeg"))
    path = tmp_path / f"song.{audio_format}"
    encode(music(9.5), RATE, path, audio_format)
    told = subprocess.run(
        [ffprobe, "-v", "error", "-show_format", "-show_streams", "-of", "json", path],
        capture_output=True,
        check=True,
    )
    about = json.loads(told.stdout)
    assert float(about["format"]["duration"]) == pytest.approx(9.5, abs=0.1)
    assert about["streams"][0]["channels"] == 2
    decoded = subprocess.run(
        [ffmpeg, "-v", "error", "-i", path, "-f", "f32le", "-ar", str(RATE), "-"],
        capture_output=True,
        check=True,
    )
    assert decoded.stderr == b""
    assert len(decoded.stdout) / 8 / RATE == pytest.approx(9.5, abs=0.1)


@pytest.mark.parametrize("audio_format", FORMATS)
def test_equal_songs_give_equal_files(audio_format: AudioFormat, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.{audio_format}" for name in ("one", "two")]
    for path in paths:
        encode(music(3.0), RATE, path, audio_format)
        began = int(time.time())
        while (
            audio_format == "opus" and int(time.time()) == began
        ):  # libsndfile's serial number is the second
            time.sleep(0.02)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("audio_format", FORMATS)
def test_16_bits_and_floats_sound_the_same(audio_format: AudioFormat) -> None:
    samples = music(2.0)
    heard = []
    for given in (samples, np.rint(samples * 32767).astype(np.int16)):
        file = io.BytesIO()
        encode(given, RATE, file, audio_format)
        file.seek(0)
        heard.append(soundfile.read(file, dtype="float32")[0])
    assert np.square(heard[0] - heard[1]).mean() < 1e-3 * np.square(heard[0]).mean()


@pytest.mark.parametrize("audio_format", LOSSLESS)
def test_lossless_formats_keep_every_16_bit_sample(audio_format: AudioFormat, tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, (2, 200_000)).astype(np.int16)
    path = tmp_path / f"song.{audio_format}"
    encode(samples, RATE, path, audio_format)
    assert np.array_equal(soundfile.read(path, dtype="int16")[0].T, samples)


def test_ten_minutes_of_opus_are_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "song.opus"
    encode(np.zeros((1, 600 * RATE), np.int16), RATE, path, "opus")
    probe(path, seconds=600)


def test_too_loud_and_undefined_samples_are_clipped_and_silent(tmp_path: Path) -> None:
    samples = np.array([[2.0, -2.0, np.nan, np.inf, 0.5, -np.inf]], np.float32)
    encode(samples, RATE, tmp_path / "song.wav", "wav")
    assert soundfile.read(tmp_path / "song.wav", dtype="int16")[0].tolist() == [
        32767,
        -32767,
        0,
        32767,
        16384,
        -32767,
    ]


def test_what_progress_raises_stops_the_writing(tmp_path: Path) -> None:
    def stop(share: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        encode(music(5), RATE, tmp_path / "song.flac", "flac", progress=stop)


@pytest.mark.parametrize(("shape", "rate"), [((3, 100), RATE), ((2, 0), RATE), ((2, 100), 44_100)])
def test_what_a_format_cannot_carry_is_refused(shape: tuple[int, int], rate: int, tmp_path: Path) -> None:
    with pytest.raises(EncodingError):
        encode(np.zeros(shape, np.float32), rate, tmp_path / "song.opus", "opus")


def test_a_cut_or_strange_file_fails_the_probe(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    encode(music(5), RATE, path, "flac")
    with pytest.raises(ProbeError, match="lasts"):
        probe(path, seconds=6)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ProbeError):
        probe(path, seconds=5)
    path.write_bytes(b"no audio at all")
    with pytest.raises(ProbeError, match="decoded"):
        probe(path)


def test_only_ogg_files_are_renumbered() -> None:
    with pytest.raises(ValueError, match="byte 0"):
        ogg.renumber(io.BytesIO(b"RIFF" + bytes(100)))
