"""What a font's generators come to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.engines.sketch.sound.font import Font, FontError, default_font
from tests import fonts

KEYS, VELOCITIES, ATTENUATION, ROOT, COARSE, FINE, MODES, PAN = 43, 44, 48, 58, 51, 52, 54, 17


def ranged(low: int, high: int) -> int:
    return low | high << 8


def test_ranges_of_preset_and_instrument_are_intersected(tmp_path: Path) -> None:
    path = fonts.write(
        tmp_path / "f.sf2",
        [{KEYS: ranged(0, 60)}, {KEYS: ranged(61, 127)}, {VELOCITIES: ranged(100, 127)}],
        preset={KEYS: ranged(50, 60)},
    )
    zones = Font(path).preset(0)
    assert [(zone.keys, zone.velocities) for zone in zones] == [((50, 60), (0, 127)), ((50, 60), (100, 127))]


def test_tuning_of_preset_and_instrument_is_added_and_the_root_key_overrides_the_samples(
    tmp_path: Path,
) -> None:
    path = fonts.write(tmp_path / "f.sf2", [{ROOT: 60, COARSE: 1, FINE: 25}], preset={COARSE: -2})
    (zone,) = Font(path).preset(0)
    assert zone.root == pytest.approx(60 + 2 - 1 - 0.25)
    (zone,) = Font(fonts.write(tmp_path / "g.sf2", [{}], root=64)).preset(0)
    assert zone.root == 64


def test_attenuation_counts_four_tenths_and_pan_goes_from_side_to_side(tmp_path: Path) -> None:
    (zone,) = Font(fonts.write(tmp_path / "f.sf2", [{ATTENUATION: 100, PAN: -500}])).preset(0)
    assert 20 * np.log10(zone.gain) == pytest.approx(-4.0)
    assert zone.pan == -1.0


def test_a_sample_loops_only_where_its_mode_says_so(tmp_path: Path) -> None:
    once, looped = Font(fonts.write(tmp_path / "f.sf2", [{MODES: 0}, {MODES: 1}])).preset(0)
    assert once.loop is None
    assert looped.loop == (fonts.PERIOD, 40 * fonts.PERIOD)


def test_a_packed_font_gives_the_samples_of_the_plain_one(tmp_path: Path) -> None:
    plain, packed = (
        Font(
            fonts.write(
                tmp_path / name, [{MODES: 1}], samples=[fonts.sine(10), fonts.sine(2_000)], packed=is_packed
            )
        )
        for name, is_packed in (("f.sf2", False), ("f.sf3", True))
    )
    ours, theirs = plain.preset(0)[0], packed.preset(0)[0]
    assert ours.loop == theirs.loop
    assert len(plain.frames(ours)) == len(packed.frames(theirs))
    assert np.abs(plain.frames(ours) - packed.frames(theirs)).max() < 0.05


@pytest.mark.parametrize("padded", [True, False])
def test_an_odd_number_of_bytes_of_samples_may_be_padded_or_not(tmp_path: Path, padded: bool) -> None:
    odd = next(
        path
        for periods in range(2, 40)
        if fonts.write(
            path := tmp_path / f"{periods}.sf3",
            [{}],
            samples=[fonts.sine(periods)],
            packed=True,
            padded=padded,
        )
        and fonts.sample_bytes(path) % 2
    )
    assert Font(odd).preset(0)


def test_a_minute_of_packed_sound_is_read_whole(tmp_path: Path) -> None:
    long = fonts.sine(480 * 60)
    font = Font(fonts.write(tmp_path / "f.sf3", [{}], samples=[long], packed=True))
    assert len(font.frames(font.preset(0)[0])) == len(long)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"\x89PNG" * 100])
def test_a_file_that_is_no_font_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.sf2"
    path.write_bytes(content)
    with pytest.raises(FontError, match=r"broken\.sf2"):
        Font(path)


def test_a_missing_font_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FontError, match=r"none\.sf2"):
        Font(tmp_path / "none.sf2")


def test_the_installed_font_has_every_program_and_several_kits() -> None:
    font = Font(default_font())
    assert all(font.preset(program) for program in range(128))
    kits = [font.preset(program, drums=True) for program in (0, 8, 16, 25, 40)]
    assert all(any(zone.answers(38, 100) for zone in kit) for kit in kits)


def test_a_program_that_the_font_lacks_is_played_by_a_near_one(tmp_path: Path) -> None:
    font = Font(fonts.write(tmp_path / "f.sf2", [{}], program=16))
    assert font.preset(19)
    assert font.preset(80)
    assert font.preset(0, drums=True)


def test_a_short_loop_that_is_off_its_root_is_tuned_to_it(tmp_path: Path) -> None:
    rounded = fonts.SINE_KEY + 12 * np.log2(100 / 98)  # as if 98 frames were a period
    root, cents = int(rounded), round(100 * (rounded - int(rounded)))
    path = fonts.write(tmp_path / "f.sf2", [{MODES: 1, ROOT: root, FINE: -cents}], samples=[fonts.sine(2)])
    (zone,) = Font(path).preset(0)
    assert zone.root == pytest.approx(fonts.SINE_KEY, abs=0.02)
    path = fonts.write(tmp_path / "g.sf2", [{MODES: 1, ROOT: root, FINE: -cents}], samples=[fonts.sine(40)])
    (zone,) = Font(path).preset(0)
    assert zone.root == pytest.approx(rounded, abs=0.02), "a long loop's detuning is the font's wish"
