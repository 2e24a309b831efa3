"""Drum patterns by kit. Numbers are General MIDI percussion; characters as for chords in `patterns`."""

from __future__ import annotations

from dataclasses import dataclass

KICK, RIM, SNARE, CLAP, CLOSED, PEDAL, OPEN = 36, 37, 38, 39, 42, 44, 46
LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE, BELL = 45, 47, 50, 49, 51, 53
TAMBOURINE, COWBELL, HIGH_BONGO, LOW_BONGO, CONGA_MUTE, CONGA, LOW_CONGA = 54, 56, 60, 61, 62, 63, 64
TIMBALE, CABASA, MARACAS, SHAKER, CLAVES, BLOCK, LOW_BLOCK, TRIANGLE = 65, 69, 70, 82, 75, 76, 77, 81
BRUSH_SNARE, BASS_DRUM = 40, 35


@dataclass(frozen=True, slots=True)
class Line:
    """One drum's part: variants, and the energies between which it plays."""

    drum: int
    patterns: tuple[str, ...]
    enter: float = 0.0
    leave: float = 2.0


@dataclass(frozen=True, slots=True)
class Kit:
    """A kit's lines by metre (4, 3 or 6; see `patterns`), and whether it plays fills and crashes."""

    lines: dict[int, tuple[Line, ...]]
    fills: str = "toms"  # toms, snare, latin, none
    crash: bool = True
    enter: float = 0.3  # energy below which the drummer rests


_THREE = (
    Line(KICK, ("x...........", "x.......o...")),
    Line(SNARE, ("....o...x...", "....o...o.o."), 0.5),
    Line(CLOSED, ("x...x...x...", "x.o.x.o.x.o.")),
)
_SIX = (
    Line(KICK, ("x.....o.....", "x...o.......")),
    Line(SNARE, ("......x.....", "......x...o."), 0.45),
    Line(CLOSED, ("x.o.o.x.o.o.",)),
)


def _kit(
    *four: Line, fills: str = "toms", crash: bool = True, enter: float = 0.3, **others: tuple[Line, ...]
) -> Kit:
    three, six = others.get("three", _THREE), others.get("six", _SIX)
    return Kit({4: four, 3: three, 6: six}, fills, crash, enter)


_HATS8 = ("x.o.x.o.x.o.x.o.",)
_HATS16 = ("xoxoxoxoxoxoxoxo",)

KITS: dict[str, Kit] = {
    "pop": _kit(
        Line(KICK, ("X.....x.x.......", "X.......x.x.....", "X..x....x.x....."), 0.3),
        Line(SNARE, ("....X.......X...", "....X.......X..o"), 0.42),
        Line(CLOSED, _HATS8, 0.0, 0.8),
        Line(OPEN, ("..............x.",), 0.62, 0.8),
        Line(RIDE, _HATS8, 0.8),
        Line(TAMBOURINE, ("....x.......x...",), 0.8),
    ),
    "rock": _kit(
        Line(KICK, ("X.....x.X.x.....", "X.x.....X.....x.", "X.......X.x...x."), 0.3),
        Line(SNARE, ("....X.......X...", "....X..o....X..o"), 0.4),
        Line(CLOSED, ("X.x.X.x.X.x.X.x.",), 0.0, 0.75),
        Line(OPEN, ("X...X...X...X...", "X.x.X.x.X.x.X.x."), 0.75),
    ),
    "metal": _kit(
        Line(KICK, ("X.xxX.xxX.xxX.xx", "XxxxXxxxXxxxXxxx", "X.xxX.x.X.xxX.x."), 0.3),
        Line(SNARE, ("....X.......X...", "....X.......X.x."), 0.4),
        Line(CLOSED, ("X...X...X...X...",), 0.0, 0.7),
        Line(RIDE, ("X...X...X...X...",), 0.7),
        Line(OPEN, ("X.......X.......",), 0.85),
    ),
    "lofi": _kit(
        Line(KICK, ("X.......x.x.....", "X..x....x.......", "X.....x...x....."), 0.25),
        Line(SNARE, ("....X.......X...", "....X..o....X..."), 0.4),
        Line(CLOSED, ("x.o.x.o.x.o.x.oo", "x.o.xoo.x.o.x.o.")),
        fills="snare",
        crash=False,
        enter=0.25,
    ),
    "hiphop": _kit(
        Line(KICK, ("X..x......x.....", "X.....x.x.x.....", "X..x...x..x....."), 0.25),
        Line(SNARE, ("....X.......X...",), 0.3),
        Line(CLAP, ("....X.......X...",), 0.7),
        Line(CLOSED, ("x.x.x.x.x.x.x.x.", "x.x.xxx.x.x.xxxx", "x.xxx.x.x.xxx.xx")),
        Line(OPEN, ("..............x.",), 0.65),
        fills="snare",
        crash=False,
    ),
    "house": _kit(
        Line(KICK, ("X...X...X...X...",), 0.35),
        Line(CLAP, ("....X.......X...",), 0.5),
        Line(OPEN, ("..x...x...x...x.",), 0.45),
        Line(CLOSED, _HATS16, 0.6),
        Line(SHAKER, ("o.xoo.xoo.xoo.xo",), 0.0, 0.6),
        fills="snare",
    ),
    "trance": _kit(
        Line(KICK, ("X...X...X...X...",), 0.35),
        Line(CLAP, ("....X.......X...",), 0.55),
        Line(OPEN, ("..X...X...X...X.",), 0.5),
        Line(CLOSED, ("xoxxxoxxxoxxxoxx",), 0.4),
        Line(RIDE, ("x.x.x.x.x.x.x.x.",), 0.85),
        fills="snare",
    ),
    "dnb": _kit(
        Line(KICK, ("X.........x.....", "X.x.......x.....", "X.........x..x.."), 0.3),
        Line(SNARE, ("....X..o.o..X...", "....X..o....X..o", "....X....o.oX..."), 0.35),
        Line(CLOSED, ("x.x.x.x.x.x.x.x.", "x.xxx.xxx.xxx.xx")),
        Line(RIDE, ("x...x...x...x...",), 0.75),
        fills="snare",
    ),
    "synthwave": _kit(
        Line(KICK, ("X...x...X...x...", "X.......X.x....."), 0.35),
        Line(SNARE, ("....X.......X...",), 0.45),
        Line(CLOSED, _HATS16),
        Line(TAMBOURINE, ("..x...x...x...x.",), 0.75),
    ),
    "chip": _kit(
        Line(KICK, ("X...X...X...X...", "X.....x.X.......", "X..x..x.X..x...."), 0.25),
        Line(SNARE, ("....X.......X...", "....X..x....X.x."), 0.4),
        Line(CLOSED, _HATS8),
        fills="snare",
        crash=False,
        enter=0.25,
    ),
    "funk": _kit(
        Line(KICK, ("X.x....x..x.....", "X.....x...x..x..", "X..x..x...x....."), 0.3),
        Line(SNARE, ("....X..o.o..X..o", "....X..o.oo.X...", "...oX..o.o..X..o"), 0.35),
        Line(CLOSED, ("x.x.x.x.x.x.x.x.", "xoxoxoxoxoxoxoxo")),
        Line(OPEN, ("......x.........", "..............x."), 0.6),
    ),
    "disco": _kit(
        Line(KICK, ("X...X...X...X...",), 0.3),
        Line(SNARE, ("....X.......X...", "....X.......X..o"), 0.4),
        Line(OPEN, ("..x...x...x...x.",), 0.5),
        Line(CLOSED, ("x...x...x...x...", "xo..xo..xo..xo..")),
        Line(CONGA, ("..x..x....x.x...",), 0.7),
    ),
    "reggae": _kit(
        Line(KICK, ("........X.......", "........X.....o."), 0.25),
        Line(RIM, ("........X.......", "........X..o...."), 0.25),
        Line(CLOSED, ("x.o.x.o.x.o.x.o.", "..x...x...x...x.", "x.xox.o.x.xox.o.")),
        Line(BASS_DRUM, ("X...X...X...X...",), 0.8),
        enter=0.25,
    ),
    "jazz": _kit(
        Line(RIDE, ("x...x.o.x...x.o.", "x...x.o.x.o.x.o.", "x...x.o.x...x...")),
        Line(PEDAL, ("....x.......x...",)),
        Line(BASS_DRUM, ("o...o...o...o...", "o.........o.....", "......o........."), 0.35),
        Line(
            BRUSH_SNARE,
            ("......o.......o.", "..o.......o.....", "..........o...o.", "......o........."),
            0.45,
        ),
        three=(
            Line(RIDE, ("x...x.o.x...", "x...x...x.o.")),
            Line(PEDAL, ("....x...x...", "....x.......")),
            Line(BASS_DRUM, ("x...........",), 0.35),
            Line(BRUSH_SNARE, ("......o.....", "..........o."), 0.45),
        ),
        fills="snare",
        crash=False,
        enter=0.2,
    ),
    "bossa": _kit(
        Line(BASS_DRUM, ("x.....ox.....oo.", "x.....o.x.....o.")),
        Line(RIM, ("x..x..x...x..x..", "..x...x..x..x..."), 0.3),
        Line(CLOSED, ("xoxoxoxoxoxoxoxo", "x.xox.xox.xox.xo")),
        fills="none",
        crash=False,
        enter=0.2,
    ),
    "latin": _kit(
        Line(CLAVES, ("..x.x...x..x..x.", "x..x..x...x.x..."), 0.3),
        Line(CONGA_MUTE, ("x.o.x.o.x.o.x...",)),
        Line(CONGA, ("..............xx", "......xx......xx")),
        Line(COWBELL, ("x...x...x...x...", "x.x.x.xxx.x.x.xx"), 0.65),
        Line(TIMBALE, ("............x.x.", "..............x."), 0.55),
        Line(BASS_DRUM, ("......x.......x.",), 0.45),
        Line(MARACAS, ("x.oox.oox.oox.oo",)),
        fills="latin",
        enter=0.2,
    ),
    "country": _kit(
        Line(KICK, ("X.......X.......", "X.......X.x....."), 0.3),
        Line(SNARE, ("....x.......x...", "o.o.X.o.o.o.X.oo"), 0.35),
        Line(CLOSED, _HATS8),
        Line(TAMBOURINE, ("....x.......x...",), 0.75),
    ),
    "folk": _kit(
        Line(BASS_DRUM, ("x.......x.......",), 0.5),
        Line(TAMBOURINE, ("....x.......x...", "....x.......x.o."), 0.55),
        Line(SHAKER, ("x.o.x.o.x.o.x.o.", "xooxxooxxooxxoox")),
        three=(
            Line(SHAKER, ("x.o.x.o.x.o.",)),
            Line(TAMBOURINE, ("....x...x...",), 0.55),
            Line(BASS_DRUM, ("x...........",), 0.5),
        ),
        fills="none",
        crash=False,
        enter=0.45,
    ),
    "blues": _kit(
        Line(KICK, ("X.......X.x.....", "X.....o.X......."), 0.3),
        Line(SNARE, ("....X.......X...", "....X.......X.o."), 0.4),
        Line(RIDE, ("x.o.x.o.x.o.x.o.",), 0.6),
        Line(CLOSED, ("x.o.x.o.x.o.x.o.",), 0.0, 0.6),
        enter=0.42,
    ),
    "soul": _kit(
        Line(KICK, ("X.....x...x.....", "X..x....x.x.....", "X......x..x....."), 0.3),
        Line(SNARE, ("....X.......X...", "....X..o....X..o"), 0.35),
        Line(CLOSED, ("x.o.x.o.x.o.x.o.", "xoo.xoo.xoo.xoo.")),
        Line(SHAKER, ("o.x.o.x.o.x.o.x.",), 0.65),
        fills="snare",
    ),
    "orchestra": _kit(
        Line(BASS_DRUM, ("X...............", "X.........x....."), 0.55),
        Line(SNARE, ("....o.oo....o.oo", "o...o.ooo...o.oo"), 0.78),
        Line(CRASH, ("o...............",), 0.92),
        three=(Line(BASS_DRUM, ("x...........",), 0.55), Line(TRIANGLE, ("....o...o...",), 0.7)),
        six=(Line(BASS_DRUM, ("x.....o.....",), 0.55), Line(TAMBOURINE, ("x.o.o.x.o.o.",), 0.7)),
        fills="none",
        enter=0.55,
    ),
    "epic": _kit(
        Line(BASS_DRUM, ("X.....x.X.....x.", "X..x..x.X..x..x.", "X.....x.X.x.x.x."), 0.4),
        Line(LOW_TOM, ("X.x.x.X.x.x.X.x.", "X..x..X..x..X.x."), 0.5),
        Line(SNARE, ("....X.......X...", "....X.......X.xx"), 0.75),
        fills="toms",
        enter=0.4,
    ),
    "waltz": _kit(
        Line(KICK, ("x.......x.......",)),
        Line(CLOSED, ("....x.......x...",)),
        three=(
            Line(BASS_DRUM, ("x...........",), 0.45),
            Line(BRUSH_SNARE, ("....o...o...", "....o...o.o."), 0.5),
            Line(TRIANGLE, ("x...........",), 0.75),
        ),
        fills="none",
        crash=False,
        enter=0.45,
    ),
    "temple": _kit(
        Line(BLOCK, ("x.......x..o....", "x...o...x.......", "x.......o.x....."), 0.4),
        Line(LOW_BLOCK, ("....x.......x...", "......x.....x..."), 0.55),
        Line(BASS_DRUM, ("x...............", "x.......o......."), 0.6),
        Line(TRIANGLE, ("x...............",), 0.7),
        fills="none",
        crash=False,
        enter=0.4,
    ),
}
