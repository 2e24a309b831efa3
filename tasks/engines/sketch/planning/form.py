"""The form: which sections, how long, how strong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.engines.sketch.reading.lyrics import SectionName, Sung

WEIGHTS: dict[SectionName, float] = {
    "intro": 0.5,
    "verse": 1.0,
    "prechorus": 0.5,
    "chorus": 1.0,
    "bridge": 0.75,
    "solo": 1.0,
    "outro": 0.5,
}
STRENGTH: dict[SectionName, float] = {
    "intro": -0.24,
    "verse": -0.08,
    "prechorus": 0.05,
    "chorus": 0.2,
    "bridge": -0.14,
    "solo": 0.1,
    "outro": -0.2,
}
# The form that fits so many bars, where the lyrics name none.
FORMS: tuple[tuple[int, tuple[SectionName, ...]], ...] = (
    (5, ("verse",)),
    (11, ("verse", "chorus")),
    (17, ("intro", "verse", "chorus")),
    (26, ("intro", "verse", "chorus", "outro")),
    (33, ("intro", "verse", "chorus", "verse", "chorus")),
    (44, ("intro", "verse", "chorus", "verse", "chorus", "outro")),
    (66, ("intro", "verse", "chorus", "verse", "chorus", "bridge", "chorus", "outro")),
)
CYCLES: tuple[tuple[SectionName, ...], ...] = (
    ("verse", "prechorus", "chorus"),
    ("verse", "prechorus", "chorus"),
    ("bridge", "solo", "chorus"),
    ("verse", "chorus"),
    ("bridge", "chorus"),
    ("solo", "verse", "chorus"),
)
STANZAS: tuple[SectionName, ...] = ("verse", "verse", "solo", "verse", "chorus")
BARS_A_SECTION = 10
ENERGY_LOW, ENERGY_HIGH = 0.12, 1.0


@dataclass(frozen=True, slots=True)
class FormPart:
    """One section: its name, whole bars, strength 0..1, and how often its name came before."""

    name: SectionName
    bars: int
    energy: float
    turn: int


def lay_out(bars: int, energy: float, sung: Sequence[Sung] = (), *, verse: int = 0) -> tuple[FormPart, ...]:
    """Sections that fill `bars` whole bars; the lyrics' own where they have tags.

    Args:
        bars: How many bars there are before the last chord, 1 or more.
        energy: The song's strength 0..1, around which the sections vary.
        sung: The lyrics' sections; where there are more than bars, those that fit, the last one kept.
        verse: Bars that every section has by its genre's custom (a blues' twelve); 0: as it comes.
    """
    if sung:
        kept = [*sung[: bars - 1], sung[-1]] if len(sung) > bars else list(sung)
        names = [section.name for section in kept]
        weights = [WEIGHTS[section.name] * (0.6 + 0.1 * min(section.lines, 12)) for section in kept]
    else:
        if verse and bars >= verse:
            return tuple(_strengths(*_verses(bars, verse), energy))
        names = list(_form(bars))
        weights = [WEIGHTS[name] for name in names]
    lengths = share(bars, weights)
    return tuple(_strengths(names, lengths, energy))


def _form(bars: int) -> tuple[SectionName, ...]:
    for most, names in FORMS:
        if bars <= most:
            return names
    middle: list[SectionName] = []
    turn = 0
    while len(middle) + 2 < bars / BARS_A_SECTION:
        middle.extend(CYCLES[turn % len(CYCLES)])
        turn += 1
    if middle[-1] != "chorus":
        middle.append("chorus")
    return ("intro", *middle, "outro")


def _verses(bars: int, verse: int) -> tuple[list[SectionName], list[int]]:
    """Verses and solos of one length; four bars of what is left come before them, the rest after."""
    count, left = divmod(bars, verse)
    names: list[SectionName] = [STANZAS[place % len(STANZAS)] for place in range(count)]
    lengths = [verse] * count
    if left > 1:
        names, lengths = ["intro", *names], [min(left, 4), *lengths]
    rest = left - min(left, 4) if left > 1 else left
    if rest > 1:
        return [*names, "outro"], [*lengths, rest]
    lengths[-1] += rest
    return names, lengths


def share(bars: int, weights: Sequence[float]) -> list[int]:
    """Whole bars by weight, in fours where there is room, twos or ones else; at least one each."""
    each = bars / len(weights)
    unit = 4 if each >= 5 else 2 if each >= 3 else 1
    units = bars // unit
    ideal = [units * weight / sum(weights) for weight in weights]
    lengths = [max(1, int(amount)) for amount in ideal]
    while sum(lengths) != units:
        step = 1 if sum(lengths) < units else -1
        open_to = [i for i, length in enumerate(lengths) if length + step >= 1]
        chosen = max(open_to, key=lambda i: (step * (ideal[i] - lengths[i]), -i))
        lengths[chosen] += step
    result = [length * unit for length in lengths]
    result[-1] += bars - sum(result)
    return result


def _strengths(names: Sequence[SectionName], lengths: Sequence[int], energy: float) -> list[FormPart]:
    seen: Counter[SectionName] = Counter()
    parts = []
    for place, (name, bars) in enumerate(zip(names, lengths, strict=True)):
        last_chorus = name == "chorus" and "chorus" not in names[place + 1 :] and seen[name] > 0
        strength = energy + STRENGTH[name] + 0.04 * min(seen[name], 2) + 0.06 * last_chorus
        if len(names) == 1:
            strength = energy + 0.04
        parts.append(FormPart(name, bars, round(min(max(strength, ENERGY_LOW), ENERGY_HIGH), 3), seen[name]))
        seen[name] += 1
    return parts
