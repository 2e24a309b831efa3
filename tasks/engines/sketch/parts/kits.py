"""Drum patterns by kit. Numbers are General MIDI percussion; characters as for chords in `patterns`."""

from __future__ import annotations

from dataclasses import dataclass

KICK, RIM, SNARE, CLAP, CLOSED, PEDAL, OPEN = 36, 37, 38, 39, 42, 44, 46
LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE, BELL = 45, 47, 50, 49, 51, 53
TAMBOURINE, COWBELL, HIGH_BONGO, LOW_BONGO, CONGA_MUTE, CONGA, LOW_CONGA = 54, 56, 60, 61, 62, 63, 64
TIMBALE, CABASA, MARACAS, SHAKER, CLAVES, BLOCK, LOW_BLOCK, TRIANGLE = 65, 69, 70, 82, 75, 76, 77, 81
BRUSH_SNARE, BASS_DRUM = 40, 35


@dataclass(frozen=True, slots=True)
class DrumLine:
    """One drum's part: variants, and the energies between which it plays."""

    drum: int
    patterns: tuple[str, ...]
    enter: float = 0.0
    leave: float = 2.0


@dataclass(frozen=True, slots=True)
class Kit:
    """A kit's lines by metre (4, 3 or 6; see `patterns`), and whether it plays fills and crashes."""

    lines: dict[int, tuple[DrumLine, ...]]
    fills: str = "toms"  # toms, snare, latin, none
    crash: bool = True
    enter: float = 0.3  # energy below which the drummer rests


_THREE = (
    DrumLine(KICK, ("x...........", "x.......o...")),
    DrumLine(SNARE, ("....o...x...", "....o...o.o."), 0.5),
    DrumLine(CLOSED, ("x...x...x...", "x.o.x.o.x.o.")),
)
_SIX = (
    DrumLine(KICK, ("x.....o.....", "x...o.......")),
    DrumLine(SNARE, ("......x.....", "......x...o."), 0.45),
    DrumLine(CLOSED, ("x.o.o.x.o.o.",)),
)


def _kit(
    *four: DrumLine,
    fills: str = "toms",
    crash: bool = True,
    enter: float = 0.3,
    **others: tuple[DrumLine, ...],
) -> Kit:
    three, six = others.get("three", _THREE), others.get("six", _SIX)
    return Kit({4: four, 3: three, 6: six}, fills, crash, enter)


_HATS8 = ("x.o.x.o.x.o.x.o.",)
_HATS16 = ("xoxoxoxoxoxoxoxo",)

KITS: dict[str, Kit] = {
    "pop": _kit(
        DrumLine(KICK, ("X.....x.x.......", "X.......x.x.....", "X..x....x.x....."), 0.3),
        DrumLine(SNARE, ("....X.......X...", "....X.......X..o"), 0.42),
        DrumLine(CLOSED, _HATS8, 0.0, 0.8),
        DrumLine(OPEN, ("..............x.",), 0.62, 0.8),
        DrumLine(RIDE, _HATS8, 0.8),
        DrumLine(TAMBOURINE, ("....x.......x...",), 0.8),
    ),
    "rock": _kit(
        DrumLine(KICK, ("X.....x.X.x.....", "X.x.....X.....x.", "X.......X.x...x."), 0.3),
        DrumLine(SNARE, ("....X.......X...", "....X..o....X..o"), 0.4),
        DrumLine(CLOSED, ("X.x.X.x.X.x.X.x.",), 0.0, 0.75),
        DrumLine(OPEN, ("X...X...X...X...", "X.x.X.x.X.x.X.x."), 0.75),
    ),
    "metal": _kit(
        DrumLine(KICK, ("X.xxX.xxX.xxX.xx", "XxxxXxxxXxxxXxxx", "X.xxX.x.X.xxX.x."), 0.3),
        DrumLine(SNARE, ("....X.......X...", "....X.......X.x."), 0.4),
        DrumLine(CLOSED, ("X...X...X...X...",), 0.0, 0.7),
        DrumLine(RIDE, ("X...X...X...X...",), 0.7),
        DrumLine(OPEN, ("X.......X.......",), 0.85),
    ),
    "lofi": _kit(
        DrumLine(KICK, ("X.......x.x.....", "X..x....x.......", "X.....x...x....."), 0.25),
        DrumLine(SNARE, ("....X.......X...", "....X..o....X..."), 0.4),
        DrumLine(CLOSED, ("x.o.x.o.x.o.x.oo", "x.o.xoo.x.o.x.o.")),
        fills="snare",
        crash=False,
        enter=0.25,
    ),
    "hiphop": _kit(
        DrumLine(KICK, ("X..x......x.....", "X.....x.x.x.....", "X..x...x..x....."), 0.25),
        DrumLine(SNARE, ("....X.......X...",), 0.3),
        DrumLine(CLAP, ("....X.......X...",), 0.7),
        DrumLine(CLOSED, ("x.x.x.x.x.x.x.x.", "x.x.xxx.x.x.xxxx", "x.xxx.x.x.xxx.xx")),
        DrumLine(OPEN, ("..............x.",), 0.65),
        fills="snare",
        crash=False,
    ),
    "house": _kit(
        DrumLine(KICK, ("X...X...X...X...",), 0.35),
        DrumLine(CLAP, ("....X.......X...",), 0.5),
        DrumLine(OPEN, ("..x...x...x...x.",), 0.45),
        DrumLine(CLOSED, _HATS16, 0.6),
        DrumLine(SHAKER, ("o.xoo.xoo.xoo.xo",), 0.0, 0.6),
        fills="snare",
    ),
    "trance": _kit(
        DrumLine(KICK, ("X...X...X...X...",), 0.35),
        DrumLine(CLAP, ("....X.......X...",), 0.55),
        DrumLine(OPEN, ("..X...X...X...X.",), 0.5),
        DrumLine(CLOSED, ("xoxxxoxxxoxxxoxx",), 0.4),
        DrumLine(RIDE, ("x.x.x.x.x.x.x.x.",), 0.85),
        fills="snare",
    ),
    "dnb": _kit(
        DrumLine(KICK, ("X.........x.....", "X.x.......x.....", "X.........x..x.."), 0.3),
        DrumLine(SNARE, ("....X..o.o..X...", "....X..o....X..o", "....X....o.oX..."), 0.35),
        DrumLine(CLOSED, ("x.x.x.x.x.x.x.x.", "x.xxx.xxx.xxx.xx")),
        DrumLine(RIDE, ("x...x...x...x...",), 0.75),
        fills="snare",
    ),
    "synthwave": _kit(
        DrumLine(KICK, ("X...x...X...x...", "X.......X.x....."), 0.35),
        DrumLine(SNARE, ("....X.......X...",), 0.45),
        DrumLine(CLOSED, _HATS16),
        DrumLine(TAMBOURINE, ("..x...x...x...x.",), 0.75),
    ),
    "chip": _kit(
        DrumLine(KICK, ("X...X...X...X...", "X.....x.X.......", "X..x..x.X..x...."), 0.25),
        DrumLine(SNARE, ("....X.......X...", "....X..x....X.x."), 0.4),
        DrumLine(CLOSED, _HATS8),
        fills="snare",
        crash=False,
        enter=0.25,
    ),
    "funk": _kit(
        DrumLine(KICK, ("X.x....x..x.....", "X.....x...x..x..", "X..x..x...x....."), 0.3),
        DrumLine(SNARE, ("....X..o.o..X..o", "....X..o.oo.X...", "...oX..o.o..X..o"), 0.35),
        DrumLine(CLOSED, ("x.x.x.x.x.x.x.x.", "xoxoxoxoxoxoxoxo")),
        DrumLine(OPEN, ("......x.........", "..............x."), 0.6),
    ),
    "disco": _kit(
        DrumLine(KICK, ("X...X...X...X...",), 0.3),
        DrumLine(SNARE, ("....X.......X...", "....X.......X..o"), 0.4),
        DrumLine(OPEN, ("..x...x...x...x.",), 0.5),
        DrumLine(CLOSED, ("x...x...x...x...", "xo..xo..xo..xo..")),
        DrumLine(CONGA, ("..x..x....x.x...",), 0.7),
    ),
    "reggae": _kit(
        DrumLine(KICK, ("........X.......", "........X.....o."), 0.25),
        DrumLine(RIM, ("........X.......", "........X..o...."), 0.25),
        DrumLine(CLOSED, ("x.o.x.o.x.o.x.o.", "..x...x...x...x.", "x.xox.o.x.xox.o.")),
        DrumLine(BASS_DRUM, ("X...X...X...X...",), 0.8),
        enter=0.25,
    ),
    "jazz": _kit(
        DrumLine(RIDE, ("x...x.o.x...x.o.", "x...x.o.x.o.x.o.", "x...x.o.x...x...")),
        DrumLine(PEDAL, ("....x.......x...",)),
        DrumLine(BASS_DRUM, ("o...o...o...o...", "o.........o.....", "......o........."), 0.35),
        DrumLine(
            BRUSH_SNARE,
            ("......o.......o.", "..o.......o.....", "..........o...o.", "......o........."),
            0.45,
        ),
        three=(
            DrumLine(RIDE, ("x...x.o.x...", "x...x...x.o.")),
            DrumLine(PEDAL, ("....x...x...", "....x.......")),
            DrumLine(BASS_DRUM, ("x...........",), 0.35),
            DrumLine(BRUSH_SNARE, ("......o.....", "..........o."), 0.45),
        ),
        fills="snare",
        crash=False,
        enter=0.2,
    ),
    "bossa": _kit(
        DrumLine(BASS_DRUM, ("x.....ox.....oo.", "x.....o.x.....o.")),
        DrumLine(RIM, ("x..x..x...x..x..", "..x...x..x..x..."), 0.3),
        DrumLine(CLOSED, ("xoxoxoxoxoxoxoxo", "x.xox.xox.xox.xo")),
        fills="none",
        crash=False,
        enter=0.2,
    ),
    "latin": _kit(
        DrumLine(CLAVES, ("..x.x...x..x..x.", "x..x..x...x.x..."), 0.3),
        DrumLine(CONGA_MUTE, ("x.o.x.o.x.o.x...",)),
        DrumLine(CONGA, ("..............xx", "......xx......xx")),
        DrumLine(COWBELL, ("x...x...x...x...", "x.x.x.xxx.x.x.xx"), 0.65),
        DrumLine(TIMBALE, ("............x.x.", "..............x."), 0.55),
        DrumLine(BASS_DRUM, ("......x.......x.",), 0.45),
        DrumLine(MARACAS, ("x.oox.oox.oox.oo",)),
        fills="latin",
        enter=0.2,
    ),
    "country": _kit(
        DrumLine(KICK, ("X.......X.......", "X.......X.x....."), 0.3),
        DrumLine(SNARE, ("....x.......x...", "o.o.X.o.o.o.X.oo"), 0.35),
        DrumLine(CLOSED, _HATS8),
        DrumLine(TAMBOURINE, ("....x.......x...",), 0.75),
    ),
    "folk": _kit(
        DrumLine(BASS_DRUM, ("x.......x.......",), 0.5),
        DrumLine(TAMBOURINE, ("....x.......x...", "....x.......x.o."), 0.55),
        DrumLine(SHAKER, ("x.o.x.o.x.o.x.o.", "xooxxooxxooxxoox")),
        three=(
            DrumLine(SHAKER, ("x.o.x.o.x.o.",)),
            DrumLine(TAMBOURINE, ("....x...x...",), 0.55),
            DrumLine(BASS_DRUM, ("x...........",), 0.5),
        ),
        fills="none",
        crash=False,
        enter=0.45,
    ),
    "blues": _kit(
        DrumLine(KICK, ("X.......X.x.....", "X.....o.X......."), 0.3),
        DrumLine(SNARE, ("....X.......X...", "....X.......X.o."), 0.4),
        DrumLine(RIDE, ("x.o.x.o.x.o.x.o.",), 0.6),
        DrumLine(CLOSED, ("x.o.x.o.x.o.x.o.",), 0.0, 0.6),
        enter=0.42,
    ),
    "soul": _kit(
        DrumLine(KICK, ("X.....x...x.....", "X..x....x.x.....", "X......x..x....."), 0.3),
        DrumLine(SNARE, ("....X.......X...", "....X..o....X..o"), 0.35),
        DrumLine(CLOSED, ("x.o.x.o.x.o.x.o.", "xoo.xoo.xoo.xoo.")),
        DrumLine(SHAKER, ("o.x.o.x.o.x.o.x.",), 0.65),
        fills="snare",
    ),
    "orchestra": _kit(
        DrumLine(BASS_DRUM, ("X...............", "X.........x....."), 0.55),
        DrumLine(SNARE, ("....o.oo....o.oo", "o...o.ooo...o.oo"), 0.78),
        DrumLine(CRASH, ("o...............",), 0.92),
        three=(DrumLine(BASS_DRUM, ("x...........",), 0.55), DrumLine(TRIANGLE, ("....o...o...",), 0.7)),
        six=(DrumLine(BASS_DRUM, ("x.....o.....",), 0.55), DrumLine(TAMBOURINE, ("x.o.o.x.o.o.",), 0.7)),
        fills="none",
        enter=0.55,
    ),
    "epic": _kit(
        DrumLine(BASS_DRUM, ("X.....x.X.....x.", "X..x..x.X..x..x.", "X.....x.X.x.x.x."), 0.4),
        DrumLine(LOW_TOM, ("X.x.x.X.x.x.X.x.", "X..x..X..x..X.x."), 0.5),
        DrumLine(SNARE, ("....X.......X...", "....X.......X.xx"), 0.75),
        fills="toms",
        enter=0.4,
    ),
    "waltz": _kit(
        DrumLine(KICK, ("x.......x.......",)),
        DrumLine(CLOSED, ("....x.......x...",)),
        three=(
            DrumLine(BASS_DRUM, ("x...........",), 0.45),
            DrumLine(BRUSH_SNARE, ("....o...o...", "....o...o.o."), 0.5),
            DrumLine(TRIANGLE, ("x...........",), 0.75),
        ),
        fills="none",
        crash=False,
        enter=0.45,
    ),
    "temple": _kit(
        DrumLine(BLOCK, ("x.......x..o....", "x...o...x.......", "x.......o.x....."), 0.4),
        DrumLine(LOW_BLOCK, ("....x.......x...", "......x.....x..."), 0.55),
        DrumLine(BASS_DRUM, ("x...............", "x.......o......."), 0.6),
        DrumLine(TRIANGLE, ("x...............",), 0.7),
        fills="none",
        crash=False,
        enter=0.4,
    ),
}
