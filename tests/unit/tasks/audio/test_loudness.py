"""Loudness by the signals whose reading BS.1770 and EBU Tech 3341 prescribe."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from tasks.audio.loudness import SILENT, integrated_loudness, k_weighting, true_peak


def tone(hertz: float, decibels: float, seconds: float, rate: int = 48_000, phase: float = 0.0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (10 ** (decibels / 20) * np.sin(2 * np.pi * hertz * time + phase)).astype(np.float32)


def stereo(wave: np.ndarray) -> np.ndarray:
    return np.stack([wave, wave])


def test_the_k_filter_at_48_khz_is_the_one_of_the_standard() -> None:
    shelf, high_pass = k_weighting(48_000)
    assert shelf == pytest.approx(
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585]
    )
    assert high_pass == pytest.approx([1, -2, 1, 1, -1.99004745483398, 0.99007225036621])


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_a_sine_of_997_hertz_in_one_channel_reads_minus_3_01(rate: int) -> None:
    wave = tone(997, 0, 5, rate)
    assert integrated_loudness(np.stack([wave, 0 * wave]), rate) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("level", [-23, -33])
def test_case_1_and_2_of_tech_3341(level: float) -> None:
    assert integrated_loudness(stereo(tone(1000, level, 20)), 48_000) == pytest.approx(level, abs=0.1)


def test_case_3_quiet_parts_are_gated_out() -> None:
    parts = [tone(1000, level, seconds) for level, seconds in ((-36, 10), (-23, 60), (-36, 10))]
    assert integrated_loudness(stereo(np.concatenate(parts)), 48_000) == pytest.approx(-23, abs=0.1)


def test_case_4_so_is_near_silence() -> None:
    parts = [tone(1000, level, 10) for level in (-72, -36)]
    parts += [tone(1000, -23, 60), tone(1000, -36, 10), tone(1000, -72, 10)]
    assert integrated_loudness(stereo(np.concatenate(parts)), 48_000) == pytest.approx(-23, abs=0.1)


def test_silence_and_shorter_than_a_block_are_no_errors() -> None:
    assert integrated_loudness(np.zeros((2, 48_000), np.float32), 48_000) == SILENT
    assert true_peak(np.zeros((2, 100), np.float32)) == SILENT
    assert integrated_loudness(stereo(tone(1000, -23, 0.05)), 48_000) == pytest.approx(
        -26, abs=1
    )  # half a step is silent


@pytest.mark.parametrize(("divisor", "phase"), [(4, 0.0), (4, 45.0), (6, 60.0), (8, 67.5)])
def test_cases_15_to_18_true_peak_lies_between_the_samples(divisor: int, phase: float) -> None:
    wave = tone(48_000 / divisor, -6.0, 1, phase=np.deg2rad(phase))
    wave[:2_000] *= np.linspace(0, 1, 2_000, dtype=np.float32)
    wave[-2_000:] *= np.linspace(1, 0, 2_000, dtype=np.float32)
    assert true_peak(stereo(wave)) == pytest.approx(-6.0, abs=0.3)


def test_true_peak_agrees_with_oversampling_everything() -> None:
    rng = np.random.default_rng(5)
    noise = signal.sosfilt(
        signal.butter(4, 15_000, fs=48_000, output="sos"), rng.standard_normal((2, 300_000))
    )
    whole = np.abs(signal.resample_poly(noise, 8, 1, axis=-1)).max()
    assert true_peak(noise.astype(np.float32)) == pytest.approx(20 * np.log10(whole), abs=0.25)
