"""Uploaded audio: found by name, bounded in size and length, as stereo at the model's rate."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio.functional
from torch import Tensor

from tasks.jobs import SECONDS_MAX, SECONDS_MIN, UPLOAD_ID, ErrorClass, JobError

BYTES_MAX = 200 * 2**20  # ten minutes of 24-bit stereo at 48 kHz are 173 MB
RATE_MAX = 384_000
FFMPEG_SECONDS = 60.0  # a file that takes longer to decode is not music


def refuse(detail: str) -> JobError:
    """An error that the person who asked can mend."""
    return JobError(ErrorClass.INVALID_REQUEST, detail)


def read(folder: Path, name: str, rate: int) -> Tensor:
    """Decode one upload.

    Returns:
        Samples [2, frames] in -1..1 at `rate`.

    Raises:
        JobError: It is missing, too large, too long, too short, or no audio.

    """
    path = _find(folder, name)
    try:
        samples, own_rate = _by_soundfile(path)
    except soundfile.LibsndfileError:
        samples, own_rate = _by_ffmpeg(path, rate)
    audio = torch.from_numpy(np.ascontiguousarray(samples.T))
    audio = audio.expand(2, -1) if audio.shape[0] == 1 else audio[:2]
    audio = torchaudio.functional.resample(audio, own_rate, rate).contiguous()
    if not bool(torch.isfinite(audio).all()):
        raise refuse("the upload holds values that are no sound; export it again")
    return audio


def _find(folder: Path, name: str) -> Path:
    path = folder / name
    if not re.match(UPLOAD_ID, name) or not path.is_file():
        raise refuse("the upload is not here any more; upload the audio again")
    if path.stat().st_size > BYTES_MAX:
        raise refuse(f"the upload is larger than {BYTES_MAX // 2**20} MB; send a compressed file")
    return path


def check_length(seconds: float) -> None:
    """Refuse audio that is too short or too long."""
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:
        raise refuse(
            f"the upload lasts {seconds:.1f} s; it has to be {SECONDS_MIN:.0f} to {SECONDS_MAX:.0f} s"
        )


def _by_soundfile(path: Path) -> tuple[np.ndarray, int]:
    with soundfile.SoundFile(path) as file:
        rate = int(file.samplerate)
        if not 1_000 <= rate <= RATE_MAX:
            raise refuse(f"the upload has {rate} samples a second; use 8,000 to {RATE_MAX:,}")
        # the header may lie: what is read decides, and no more than the limit and a bit is read
        samples = file.read(frames=int((SECONDS_MAX + 1) * rate), dtype="float32", always_2d=True)
    check_length(len(samples) / rate)
    return samples, rate


def _by_ffmpeg(path: Path, rate: int) -> tuple[np.ndarray, int]:
    """Decode what libsndfile cannot (m4a, webm, ...) where ffmpeg is installed."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise refuse("this audio format is not known here; send wav, flac, ogg or mp3")
    # only this file is opened: a playlist must not make ffmpeg fetch addresses
    command = [ffmpeg, "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe", "-i", str(path)]
    command += ["-vn", "-t", str(SECONDS_MAX + 1), "-f", "f32le", "-ac", "2", "-ar", str(rate), "-"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=FFMPEG_SECONDS, check=True)  # noqa: S603
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise refuse("the upload could not be read as audio; send wav, flac, ogg or mp3") from None
    samples = np.frombuffer(done.stdout, np.float32).reshape(-1, 2)
    check_length(len(samples) / rate)
    return samples, rate
