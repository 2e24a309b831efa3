"""How one note sounds: its pitch, length, level and side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.engines.sketch.music.score import Note, Track
from tasks.engines.sketch.sound.font import Font
from tasks.engines.sketch.sound.stem import Stereo, balance, render
from tests import fonts, measures

RATE = 48_000
MODES, SCALE, FILTER, ATTACK, RELEASE, DECAY, SUSTAIN, EXCLUSIVE, KEYS = 54, 56, 8, 34, 38, 36, 37, 57, 43
LOOPED = {MODES: 1, 58: 70, 52: -round(100 * (fonts.SINE_KEY - 70))}


def ignore(_: float) -> None: ...


def sound(font: Font, *notes: Note, seconds: float = 2.0, **track: object) -> Stereo:
    stem = np.zeros((2, round(seconds * RATE)), np.float32)
    render(font, Track(name="x", program=0, notes=list(notes), **track), stem, ignore)  # type: ignore[arg-type]
    return stem


def level(stem: Stereo, at: float) -> float:
    """Peak in the 10 ms after `at`."""
    return float(np.abs(stem[:, round(at * RATE) : round((at + 0.01) * RATE)]).max())


@pytest.fixture
def font(tmp_path: Path) -> Font:
    return Font(fonts.write(tmp_path / "f.sf2", [LOOPED]))


@pytest.mark.parametrize("key", [45, 57, 69, 81])
def test_a_looped_sine_is_in_tune_at_every_key_for_as_long_as_it_is_held(font: Font, key: int) -> None:
    stem = sound(font, Note(0.0, 1.5, key, 100))
    assert abs(measures.cents_off(stem[:, : int(1.5 * RATE)], key)) <= 4
    assert level(stem, 1.4) == pytest.approx(level(stem, 0.1), rel=0.02)


def test_a_font_that_is_detuned_by_a_quarter_tone_is_heard_to_be(tmp_path: Path) -> None:
    font = Font(fonts.write(tmp_path / "f.sf2", [{**LOOPED, 52: LOOPED[52] + 50}]))
    stem = sound(font, Note(0.0, 1.5, 69, 100))
    assert abs(measures.cents_off(stem, 69)) > 40


def test_scale_tuning_of_nought_plays_one_pitch_on_every_key(tmp_path: Path) -> None:
    font = Font(fonts.write(tmp_path / "f.sf2", [{**LOOPED, SCALE: 0}]))
    low, high = (sound(font, Note(0.0, 1.0, key, 100)) for key in (40, 90))
    assert np.array_equal(low, high)


def test_interpolation_leaves_little_but_the_sine(font: Font) -> None:
    x = sound(font, Note(0.0, 2.0, 64, 127))[0, 4_800:86_400].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(x * np.blackman(len(x)))) ** 2
    tone = slice(spectrum.argmax() - 8, spectrum.argmax() + 9)
    total, clean = spectrum.sum(), spectrum[tone].sum()
    assert 10 * np.log10((total - clean) / clean) < -60


def test_velocity_is_squared(font: Font) -> None:
    soft, loud = (level(sound(font, Note(0.0, 1.0, 70, velocity)), 0.5) for velocity in (50, 100))
    assert loud / soft == pytest.approx(4.0, rel=0.01)


def test_the_envelope_rises_falls_to_its_sustain_and_is_gone_after_its_release(tmp_path: Path) -> None:
    stages = {ATTACK: round(1200 * np.log2(0.2)), DECAY: 0, SUSTAIN: 200, RELEASE: round(1200 * np.log2(0.4))}
    font = Font(fonts.write(tmp_path / "f.sf2", [{**LOOPED, **stages}]))
    stem = sound(font, Note(0.0, 1.0, 70, 127))
    full = level(stem, 0.2)
    assert level(stem, 0.1) == pytest.approx(full * 0.5, rel=0.1)
    assert level(stem, 0.45) == pytest.approx(full * 0.1, rel=0.1)  # 20 dB, a fifth of the decay's 100 dB
    assert level(stem, 0.95) == pytest.approx(full * 0.1, rel=0.05)
    assert level(stem, 1.1) == pytest.approx(full * 0.1 * 10 ** (-25 / 20), rel=0.2)
    assert level(stem, 1.5) == 0


def test_a_note_does_not_click_when_it_ends(font: Font) -> None:
    stem = sound(font, Note(0.0, 0.5131, 70, 127))
    assert np.abs(np.diff(stem[0])).max() < 0.5 * 2 * np.pi / fonts.PERIOD * 1.05


def test_a_low_pass_takes_the_highs(tmp_path: Path) -> None:
    open_font = Font(fonts.write(tmp_path / "f.sf2", [LOOPED]))
    closed = Font(fonts.write(tmp_path / "g.sf2", [{**LOOPED, FILTER: 4_500}]))  # 110 Hz
    note = Note(0.0, 1.0, 70, 100)
    assert level(sound(closed, note), 0.5) < 0.1 * level(sound(open_font, note), 0.5)


def test_a_note_of_an_exclusive_class_silences_the_one_before(tmp_path: Path) -> None:
    zones = [
        {**LOOPED, EXCLUSIVE: 1, KEYS: 42 | 42 << 8},
        {**LOOPED, EXCLUSIVE: 1, KEYS: 46 | 46 << 8},
        {**LOOPED, KEYS: 38 | 38 << 8},
    ]
    font = Font(fonts.write(tmp_path / "f.sf2", zones, bank=128))
    open_hat, closed = Note(0.0, 0.1, 46, 100), Note(0.5, 0.6, 42, 100)
    alone = sound(font, open_hat, drums=True)
    both = sound(font, open_hat, closed, drums=True) - sound(font, closed, drums=True)
    assert level(alone, 1.0) > 0.1, "a drum sounds on after its note"
    assert level(both, 0.4) == level(alone, 0.4)
    assert level(both, 0.52) < 1e-6
    beside = sound(font, open_hat, Note(0.5, 0.6, 38, 100), drums=True) - sound(
        font, Note(0.5, 0.6, 38, 100), drums=True
    )
    assert level(beside, 1.0) == pytest.approx(level(alone, 1.0), rel=1e-3)


def test_pan_moves_a_track_at_equal_power(font: Font) -> None:
    note = Note(0.0, 1.0, 70, 100)
    powers = []
    for pan in (-1.0, 0.0, 0.5):
        left, right = np.square(sound(font, note, pan=pan)).sum(axis=1)
        powers.append(left + right)
        assert (left > right) == (pan < 0)
    assert powers == pytest.approx([powers[0]] * 3, rel=1e-3)


def test_notes_outside_the_song_or_the_fonts_keys_do_no_harm(tmp_path: Path) -> None:
    font = Font(fonts.write(tmp_path / "f.sf2", [{**LOOPED, KEYS: 60 | 72 << 8}]))
    stem = sound(font, Note(1.99, 9.0, 64, 100), Note(3.0, 4.0, 64, 100), Note(0.0, 1.0, 40, 100))
    assert np.isfinite(stem).all()
    assert level(stem, 0.5) > 0


def test_balance_hears_only_where_a_track_plays(font: Font) -> None:
    often = sound(font, *(Note(n, n + 1.0, 70, 100) for n in range(10)), seconds=10)
    once = sound(font, Note(3.0, 4.0, 70, 100), seconds=10)
    assert 20 * np.log10(balance(often, 0.0, ignore) / balance(once, 0.0, ignore)) == pytest.approx(
        0, abs=1.5
    )
    quieter = balance(often, -6.0, ignore) / balance(often, 0.0, ignore)
    assert 20 * np.log10(quieter) == pytest.approx(-6.0)
    assert balance(np.zeros((2, RATE), np.float32), 0.0, ignore) == 1.0
