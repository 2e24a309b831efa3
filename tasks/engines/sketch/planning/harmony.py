"""The chords of every bar, with cadences at the ends of sections, and how a hand holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from tasks.engines.sketch.genres.progressions import progression_lines
from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.music.theory import Chord, chord, local_scale, nearest
from tasks.engines.sketch.planning.form import FormPart
from tasks.engines.sketch.planning.plan import SongPlan

POWER = (0, 7, 12)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: where it stands and what sounds. `chords` are (step in the bar, chord)."""

    index: int
    part: FormPart
    place: int  # in its section
    chords: tuple[tuple[int, Chord], ...]

    @property
    def last(self) -> bool:
        """Whether its section ends with it."""
        return self.place == self.part.bars - 1

    def chord_at(self, step: int) -> Chord:
        """The chord that sounds at a step of the bar."""
        return next(chord for start, chord in reversed(self.chords) if start <= step)


def harmonise(plan: SongPlan) -> tuple[Bar, ...]:
    """Chords for every bar before the last chord. A section that returns brings its chords back."""
    bars: list[Bar] = []
    for place, part in enumerate(plan.parts):
        symbols = _symbols(plan, part, closing=place == len(plan.parts) - 1 or part.name == "chorus")
        if place == 0:
            symbols[0] = _opening(plan)
        for number, symbol in enumerate(symbols):
            bars.append(Bar(len(bars), part, number, _chords(plan, symbol)))
    return tuple(bars)


def tonic(plan: SongPlan) -> Chord:
    """The chord that the song ends on."""
    symbol = "i" if plan.key.mode.family == "minor" else "I"
    if symbol == "I" and plan.genre.colour == "ninth":
        symbol = "Iadd9"
    return chord(symbol, plan.key)


def _symbols(plan: SongPlan, part: FormPart, *, closing: bool) -> list[str]:
    """One symbol a bar: two lines in turn, the second ending in the cadence."""
    chance = Chance("harmony", plan.genre.name, *plan.seed).fork(part.name)
    lines = progression_lines(plan.genre.harmony, plan.key.mode.family, part.name)
    first = chance.pick(lines).split()
    second = (
        chance.pick(lines).split() if part.bars >= 8 and len(first) <= 4 and chance.happens(0.5) else first
    )
    slow = plan.genre.bars_a_chord if part.bars >= 4 else 1
    row = [symbol for symbol in (*first, *second) for _ in range(slow)]
    symbols = list(islice(cycle(row), part.bars))
    _cadence(symbols, plan, closing=closing)
    return symbols


def _cadence(symbols: list[str], plan: SongPlan, *, closing: bool) -> None:
    """A section ends on the dominant, which the next one resolves; a closing one prepares it as well."""
    jazzy = plan.genre.colour == "ninth"
    minor = plan.key.mode.family == "minor"
    prepare = "iim7b5" if minor and jazzy else "ii" if jazzy else "iv" if minor else "IV"
    if plan.genre.harmony == "pentatonic" and minor:
        symbols[-1] = "v"  # a leading note would be foreign to the five
    else:
        symbols[-1] = f"{prepare}+V" if jazzy and closing else "V7" if plan.genre.harmony == "blues" else "V"
    if closing and len(symbols) >= 4 and not jazzy and plan.genre.harmony != "blues":
        symbols[-2] = prepare


def _opening(plan: SongPlan) -> str:
    line = progression_lines(plan.genre.harmony, plan.key.mode.family, "verse")[0].split()[0]
    return line.split("+")[0]


def _chords(plan: SongPlan, symbol: str) -> tuple[tuple[int, Chord], ...]:
    names = symbol.split("+")
    if plan.timing.beats_per_bar == 3 and len(names) == 2:
        starts = [0, 2 * plan.steps_per_beat]
    else:
        starts = [i * plan.steps_per_bar // len(names) for i in range(len(names))]
    colour = plan.genre.colour
    return tuple((start, chord(name, plan.key, colour)) for start, name in zip(starts, names, strict=True))


def scale_over(plan: SongPlan, sounding: Chord, *, seven: bool = False) -> tuple[int, ...]:
    """The melody's scale over a chord: the dominant's raised third in place of its neighbour.

    Pentatonic melodies take in no foreign note but those a dominant needs.
    """
    notes = plan.key.mode.notes if seven else plan.key.mode.melody
    scale = tuple((plan.key.tonic + note) % 12 for note in notes)
    if len(scale) == 7 or sounding.dominant:
        scale = local_scale(scale, sounding.classes[:4])
    if len(scale) == 7:
        return scale
    # a blues' thirds take turns: the one a semitone over a note of the chord waits for its own chord
    waits = {note for note in scale if (note - 1) % 12 in sounding.classes and note not in sounding.classes}
    return tuple(sorted(set(scale) - {note for note in waits if (note - 1) % 12 in scale}))


def voicings(chords: Sequence[Chord], low: int, high: int, size: int) -> list[tuple[int, ...]]:
    """Each chord in a close position within low..high, moving as little as can be from the one before."""
    result: list[tuple[int, ...]] = []
    for sounding in chords:
        options = (
            _power(sounding, low)
            if sounding.intervals == POWER
            else _positions(_essential(sounding, size), low, high)
        )
        before = result[-1] if result else None
        result.append(min(options, key=lambda notes: (_distance(notes, before, low, high), notes)))
    return result


def without_third(plan: SongPlan, chords: Sequence[Chord]) -> list[Chord]:
    """What distorted guitars strum: root, fifth and octave, in the genres that do so."""
    if plan.genre.colour != "power":
        return list(chords)
    return [Chord(sounding.root, POWER, sounding.symbol) for sounding in chords]


def _power(sounding: Chord, low: int) -> list[tuple[int, ...]]:
    """A power chord stands on its root: inverted, it is another chord."""
    root = nearest(low + 5.5, (sounding.root,), low)
    return [tuple(root + interval for interval in POWER)]


def _essential(sounding: Chord, size: int) -> tuple[int, ...]:
    """The classes that make the chord: third and seventh before fifth; a ninth's root is the bass's."""
    classes = list(dict.fromkeys(sounding.classes))
    if len(classes) > size and len(classes) >= 5:
        classes.remove(sounding.root)
    while len(classes) > max(size, 2):
        classes.remove(classes[2 if len(classes) > 3 else -1])
    return tuple(classes)


def _positions(classes: tuple[int, ...], low: int, high: int) -> list[tuple[int, ...]]:
    options = []
    for bottom in range(low, max(low + 1, high - 5)):
        if bottom % 12 in classes:
            above = sorted({(c - bottom) % 12 for c in classes})
            options.append(tuple(bottom + interval for interval in above))
    fitting = [notes for notes in options if notes[-1] <= high]
    if fitting or options:
        return fitting or options[:1]
    bottom = nearest(low, classes)
    return [tuple(bottom + (c - bottom) % 12 for c in sorted(classes))]


def _distance(notes: tuple[int, ...], before: tuple[int, ...] | None, low: int, high: int) -> float:
    middle = abs(sum(notes) / len(notes) - (low + high) / 2)
    if before is None:
        return middle
    moved = sum(min(abs(note - other) for other in before) for note in notes)
    moved += sum(min(abs(note - other) for note in notes) for other in before)
    return moved + 0.25 * middle
