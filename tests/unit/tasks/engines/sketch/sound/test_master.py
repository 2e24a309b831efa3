"""Loudness, true peak and what the master leaves of the music's own dynamics."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.audio.loudness import integrated_loudness, true_peak
from tasks.engines.sketch.sound.master import master, padded

RATE = 48_000


def ignore(_: float) -> None: ...


def mastered(signal: np.ndarray) -> np.ndarray:
    mix = np.zeros((2, padded(signal.shape[1])), np.float32)
    mix[:, : signal.shape[1]] = signal
    master(mix, ignore)
    return mix[:, : signal.shape[1]]


def clicks(rng: np.random.Generator, crest: float) -> np.ndarray:
    """Noise with loud clicks: all peaks, little loudness."""
    frames = 10 * RATE
    signal = rng.standard_normal((2, frames)) * 0.02
    signal[:, :: RATE // 4] += crest
    return signal.astype(np.float32)


@pytest.mark.parametrize("level", [1e-3, 0.1, 8.0])
def test_any_level_becomes_minus_14_lufs(level: float) -> None:
    rng = np.random.default_rng(1)
    out = mastered((rng.standard_normal((2, 8 * RATE)) * level).astype(np.float32))
    assert integrated_loudness(out, RATE) == pytest.approx(-14, abs=0.3)
    assert true_peak(out) < -1


@pytest.mark.parametrize("crest", [0.3, 0.8, 2.0])
def test_peaks_stay_under_the_ceiling_however_high_they_are(crest: float) -> None:
    out = mastered(clicks(np.random.default_rng(2), crest))
    assert true_peak(out) < -1
    assert integrated_loudness(out, RATE) == pytest.approx(-14, abs=1)


def test_peaks_between_the_samples_are_limited_too() -> None:
    """A sine at a quarter of the rate whose samples all miss its crests by 3 dB."""
    n = np.arange(6 * RATE)
    burst = np.sin(np.pi / 2 * n + np.pi / 4) * (n % RATE < 2_000) * 1.0
    out = mastered(np.tile(burst + 0.05 * np.sin(n / 20), (2, 1)).astype(np.float32))
    assert true_peak(out) < -1


def test_a_quiet_passage_stays_quieter_than_a_loud_one() -> None:
    rng = np.random.default_rng(3)
    signal = rng.standard_normal((2, 12 * RATE)).astype(np.float32) * 0.1
    signal[:, : 6 * RATE] *= 0.25  # 12 dB
    out = mastered(signal)
    quiet, loud = (np.sqrt(np.square(part).mean()) for part in np.split(out, 2, axis=1))
    assert 6 < 20 * np.log10(loud / quiet) < 12


def test_silence_stays_silence() -> None:
    assert not mastered(np.zeros((2, RATE), np.float32)).any()
