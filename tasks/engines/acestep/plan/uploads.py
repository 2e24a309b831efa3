"""Uploaded audio: found by name, as stereo at the model's rate."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from tasks.audio import decoding
from tasks.jobs import UPLOAD_ID, ErrorClass, JobError

BYTES_MAX = 200 * 2**20  # ten minutes of 24-bit stereo at 48 kHz are 173 MB


def refuse(detail: str) -> JobError:
    """An error that the person who asked can mend."""
    return JobError(ErrorClass.INVALID_REQUEST, detail)


def read(folder: Path, name: str, rate: int) -> Tensor:
    """Decode one upload, in a process of its own.

    Returns:
        Samples [2, frames] in -1..1 at `rate`.

    Raises:
        JobError: It is missing, too large, too long, too short, or no audio.
    """
    try:
        return torch.from_numpy(decoding.samples(_find(folder, name), rate))
    except decoding.Undecodable as error:
        raise refuse(f"the upload {error}") from error


def _find(folder: Path, name: str) -> Path:
    path = folder / name
    if not re.match(UPLOAD_ID, name) or not path.is_file():
        raise refuse("the upload is not here any more; upload the audio again")
    if path.stat().st_size > BYTES_MAX:
        raise refuse(f"the upload is larger than {BYTES_MAX // 2**20} MB; send a compressed file")
    return path
