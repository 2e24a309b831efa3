"""The waveform that a player draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tasks.audio.peaks import waveform


def test_each_part_tells_its_loudest_sample(tmp_path: Path) -> None:
    samples = np.zeros((48_000, 2), np.float32)
    samples[100, 0], samples[24_000, 1], samples[47_999, 0] = 0.25, -0.5, 0.75
    soundfile.write(tmp_path / "song.wav", samples, 48_000)
    peaks = waveform(tmp_path / "song.wav", 4)
    assert peaks == pytest.approx([0.25, 0.0, 0.5, 0.75], abs=0.001)


def test_what_is_no_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"not audio")
    with pytest.raises(RuntimeError):
        waveform(tmp_path / "song.wav")
