from __future__ import annotations

import pytest

from tasks.engines.sketch.genres import GENRES
from tasks.engines.sketch.genres.progressions import PROGRESSIONS
from tasks.engines.sketch.music.names import GENERAL_MIDI
from tasks.engines.sketch.music.theory import MODES, Key, chord, climb, local_scale, nearest
from tasks.engines.sketch.parts.kits import KITS
from tasks.engines.sketch.parts.patterns import ARP, BASS, COMP

C, A_MINOR = Key(0, MODES["major"]), Key(9, MODES["minor"])


@pytest.mark.parametrize(
    ("symbol", "key", "classes"),
    [
        ("I", C, {0, 4, 7}),
        ("vi", C, {9, 0, 4}),
        ("bVII", C, {10, 2, 5}),
        ("V7", C, {7, 11, 2, 5}),
        ("V7/ii", C, {9, 1, 4, 7}),
        ("Imaj7", C, {0, 4, 7, 11}),
        ("i", A_MINOR, {9, 0, 4}),
        ("VI", A_MINOR, {5, 9, 0}),
        ("V", A_MINOR, {4, 8, 11}),
        ("iim7b5", A_MINOR, {11, 2, 5, 9}),
        ("bII", A_MINOR, {10, 2, 5}),
    ],
)
def test_numerals_name_their_chords(symbol: str, key: Key, classes: set[int]) -> None:
    assert set(chord(symbol, key).classes) == classes


def test_a_numeral_that_is_none_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match="is not a chord, such as"):
        chord("H7", C)


@pytest.mark.parametrize("mode", MODES)
def test_every_progression_can_be_played_in_every_mode_of_its_family(mode: str) -> None:
    key = Key(3, MODES[mode])
    for families in PROGRESSIONS.values():
        for lines in families[key.mode.family].values():
            for symbol in " ".join(lines).replace("+", " ").split():
                assert len(chord(symbol, key, "ninth").classes) >= 2


def test_songs_open_on_the_tonic() -> None:
    for families in PROGRESSIONS.values():
        for family, sections in families.items():
            tonics = {"major": {"I", "I6", "I7", "I9"}, "minor": {"i", "i7"}}[family]
            assert all(line.split()[0].split("+")[0] in tonics for line in sections["verse"])


def test_the_dominants_third_takes_its_neighbours_place() -> None:
    minor, major = (9, 11, 0, 2, 4, 5, 7), (0, 2, 4, 5, 7, 9, 11)
    assert local_scale(minor, (4, 8, 11)) == (0, 2, 4, 5, 8, 9, 11)
    assert local_scale(major, (5, 8, 0)) == (0, 2, 4, 5, 7, 8, 11)
    assert local_scale(major, (0, 4, 7, 10)) == (0, 2, 4, 5, 7, 9, 10)


def test_climbing_a_scale_counts_its_notes() -> None:
    assert climb(60, 2, (0, 2, 4, 7, 9)) == 64
    assert climb(60, -1, (0, 2, 4, 7, 9)) == 57


def test_the_nearest_note_keeps_to_the_register() -> None:
    assert nearest(71, (0,), 48, 71) == 60


def test_every_genre_names_what_exists() -> None:
    assert len(GENRES) >= 12
    assert len(GENERAL_MIDI) == 128
    for genre in GENRES.values():
        assert genre.harmony in PROGRESSIONS
        assert not genre.drums or genre.drums in KITS
        assert set(genre.modes) <= set(MODES)
        for player in genre.players:
            table = {"comp": COMP, "bass": BASS, "arp": ARP}.get(player.role, {})
            assert player.style in {*table, "walk" if player.role == "bass" else ""}
            assert all(0 <= program < 128 for program in player.programs)


@pytest.mark.parametrize("table", [COMP, BASS, ARP], ids=["comp", "bass", "arp"])
def test_patterns_are_as_long_as_their_bar(table: dict[str, dict[int, tuple[str, ...]]]) -> None:
    for style, metres in table.items():
        for metre, patterns in metres.items():
            assert {len(pattern) for pattern in patterns} == {{4: 16, 3: 12, 6: 12}[metre]}, style


def test_drum_patterns_are_as_long_as_their_bar() -> None:
    for name, kit in KITS.items():
        for metre, lines in kit.lines.items():
            for line in lines:
                assert {len(pattern) for pattern in line.patterns} == {16 if metre == 4 else 12}, (
                    name,
                    line.drum,
                )
