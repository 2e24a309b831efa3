"""The plan: everything that is settled before the first note."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.engines.sketch.genres import GENRES, Genre
from tasks.engines.sketch.music import tempo
from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.music.tempo import Timing
from tasks.engines.sketch.music.theory import MODES, Key, Mode
from tasks.engines.sketch.planning.cast import Seat, choose
from tasks.engines.sketch.planning.form import FormPart, lay_out
from tasks.engines.sketch.reading import Wish, read
from tasks.engines.sketch.reading.instruments import BY_NAME
from tasks.engines.sketch.reading.moods import MOODS
from tasks.jobs import JobRequest

BEATS = {"2/4": 2, "3/4": 3, "4/4": 4, "6/8": 2}
COMPOUND_SPEED = 0.62  # a 6/8 beat is a dotted quarter, so there are fewer of them in a minute
MOOD = {mood.name: mood for mood in MOODS}


@dataclass(frozen=True, kw_only=True)
class SongPlan:
    """What a song is going to be."""

    seconds: float
    seed: tuple[int, str]  # what all chance starts from
    wish: Wish
    genre: Genre
    key: Key
    metre: str
    timing: Timing
    energy: float
    parts: tuple[FormPart, ...]
    seats: tuple[Seat, ...]
    kit: str  # a name in parts.kits; empty: no drums

    @property
    def steps_per_beat(self) -> int:
        """The grid of the patterns: sixteenths, or sixths of a dotted quarter."""
        return 6 if self.metre == "6/8" else 4

    @property
    def steps_per_bar(self) -> int:
        """Steps of the grid in a bar."""
        return self.steps_per_beat * self.timing.beats_per_bar


def make_plan(request: JobRequest, seed: int) -> SongPlan:
    """The plan of a request; the same request and seed give the same plan."""
    wish = read(request)
    chance = Chance("plan", seed, request.prompt)
    genre = _genre(wish)
    metre = wish.metre or genre.metre
    timing = _timing(request.duration, wish, genre, metre, chance)
    moods = [MOOD[name] for name in wish.moods]
    energy = min(max(genre.energy + max(-0.22, min(0.22, sum(mood.energy for mood in moods))), 0.2), 0.95)
    return SongPlan(
        seconds=request.duration,
        seed=(seed, request.prompt),
        wish=wish,
        genre=genre,
        key=_key(wish, genre, chance),
        metre=metre,
        timing=timing,
        energy=energy,
        parts=lay_out(timing.bars, energy, wish.form, verse=12 if genre.harmony == "blues" else 0),
        seats=choose(genre, wish, chance.fork("cast")),
        kit=_kit(wish, genre, energy),
    )


def _genre(wish: Wish) -> Genre:
    """The genre named; else the one that the instruments or the mood suggest; else pop."""
    with_drums = wish.drums is True
    hints = [BY_NAME[name].hints for name in wish.wanted]
    if "piano" in wish.wanted and len(set(wish.wanted) - {"drums"}) > 1:
        hints = [hint for hint in hints if hint != "piano solo"]
    hints += [MOOD[name].hints for name in wish.moods]
    if with_drums:
        hints = [hint for hint in hints if GENRES.get(hint) and GENRES[hint].drums]
    for name in (wish.genre, *hints, "pop", "folk"):
        if name and name not in wish.unlike:
            return GENRES[name]
    return GENRES["pop"]


def _timing(seconds: float, wish: Wish, genre: Genre, metre: str, chance: Chance) -> Timing:
    beats = BEATS[metre]
    if wish.bpm:
        return tempo.keep(seconds, float(wish.bpm), beats)
    base = wish.tempo or chance.between(*genre.bpm)
    if wish.tempo is None:
        mood = 1.0
        for name in wish.moods[:3]:
            mood *= MOOD[name].speed
        base *= wish.speed * min(max(mood, 0.85), 1.15)
    if metre == "6/8" and genre.metre != metre:
        base *= COMPOUND_SPEED
    if genre.metre == "3/4" and metre in {"2/4", "4/4"}:
        base *= 0.72
    return tempo.fit(seconds, base, beats, chance.between(2.2, 4.0))


def _key(wish: Wish, genre: Genre, chance: Chance) -> Key:
    tonic = chance.pick(range(12)) if wish.tonic is None else wish.tonic
    return Key(tonic, _mode(wish, genre, chance))


def _mode(wish: Wish, genre: Genre, chance: Chance) -> Mode:
    drawn = MODES[chance.weighed(genre.modes)]
    if wish.mode and wish.mode not in {"major", "minor"}:
        return MODES[wish.mode]
    family = wish.mode or next((MOOD[name].family for name in wish.moods if MOOD[name].family), "")
    if not family or drawn.family == family:
        return drawn
    own = {name: weight for name, weight in genre.modes.items() if MODES[name].family == family}
    return MODES[chance.weighed(own)] if own else MODES[family]


def _kit(wish: Wish, genre: Genre, energy: float) -> str:
    if wish.drums is False or (wish.alone and not wish.drums):
        return ""
    if genre.drums or not wish.drums:
        return genre.drums
    return "pop" if energy > 0.45 else "folk"


def describe(plan: SongPlan) -> str:
    """One line of what was understood, such as "lo-fi, 80 bpm, A minor, piano, no drums"."""
    words = [*plan.wish.moods[:2], plan.genre.name, f"{plan.timing.bpm:g} bpm"]
    if plan.metre != "4/4":
        words.append(plan.metre)
    key = plan.key
    mode = (
        ""
        if key.mode.name == key.mode.family
        else f" ({key.mode.name.removeprefix(key.mode.family).strip()})"
    )
    words.append(key.name + mode)
    words += [name for name in plan.wish.wanted if name != "drums"][:4]
    words += ["only"] if plan.wish.alone else []
    words += ["drums"] if plan.wish.drums else []
    words += [f"no {name}" for name in sorted(plan.wish.unwanted)[:4]]
    return ", ".join(words)
