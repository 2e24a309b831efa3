"""The accompaniment: chords in rhythm, arpeggios, and long chords underneath."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.parts.event import FORCE, Event, runs
from tasks.engines.sketch.parts.patterns import ARP, COMP, Variants, variants
from tasks.engines.sketch.planning.cast import Seat
from tasks.engines.sketch.planning.harmony import Bar, voicings, without_third
from tasks.engines.sketch.planning.plan import SongPlan

SIZES = {"triad": 3, "seventh": 4, "ninth": 4, "power": 3}


def comp(plan: SongPlan, bars: Sequence[Bar], seat: Seat, chance: Chance) -> list[Event]:
    """Chords in the style's rhythm, led from one to the next by the shortest way."""
    held = _held(plan, bars, seat)
    patterns = variants(COMP, seat.style, plan.metre)
    events = []
    strum = 0.012 if seat.program in range(24, 29) else 0.0
    for bar in bars:
        for step, length, character in runs(_pattern(patterns, bar, chance)):
            start = max(s for s, _ in bar.chords if s <= step)
            at = (bar.index * plan.steps_per_bar + step) / plan.steps_per_beat
            last = min([s for s, _ in bar.chords if s > step] or [plan.steps_per_bar])
            beats = min(length, last - step) / plan.steps_per_beat
            notes = held[bar.index, start]
            for order, pitch in enumerate(notes if step % 4 == 0 else reversed(notes)):
                force = FORCE[character] * (1.0 if order in {0, len(notes) - 1} else 0.94)
                events.append(Event(at + order * strum, beats * 0.93 - order * strum, pitch, force))
    return events


def arp(plan: SongPlan, bars: Sequence[Bar], seat: Seat, chance: Chance) -> list[Event]:
    """One note of the chord after another; digits beyond the chord go on an octave higher."""
    held = _held(plan, bars, seat, size=3)
    patterns = variants(ARP, seat.style, plan.metre)
    ring = 1.6 if seat.program in {0, 24, 25, 46, 107, 11} else 0.95
    events = []
    for bar in bars:
        for step, length, character in runs(_pattern(patterns, bar, chance)):
            start = max(s for s, _ in bar.chords if s <= step)
            notes = held[bar.index, start]
            number = int(character)
            pitch = notes[number % len(notes)] + 12 * (number // len(notes))
            at = (bar.index * plan.steps_per_bar + step) / plan.steps_per_beat
            accent = 1.06 if step % plan.steps_per_beat == 0 else 0.92
            events.append(Event(at, length / plan.steps_per_beat * ring, min(pitch, 108), accent))
    return events


def pad(plan: SongPlan, bars: Sequence[Bar], seat: Seat, chance: Chance) -> list[Event]:
    """Long chords; a note that stays in the next chord is held on."""
    held = _held(plan, bars, seat)
    spans = []
    for bar in bars:
        ends = [start for start, _ in bar.chords[1:]] + [plan.steps_per_bar]
        for (start, _), end in zip(bar.chords, ends, strict=True):
            base = bar.index * plan.steps_per_bar
            spans.append((base + start, base + end, held[bar.index, start]))
    events: list[Event] = []
    sounding: dict[int, int] = {}
    for place, (start, end, notes) in enumerate(spans):
        following = spans[place + 1] if place + 1 < len(spans) else None
        for pitch in notes:
            begin = sounding.pop(pitch, start)
            goes_on = following is not None and following[0] == end and pitch in following[2]
            if goes_on and end - begin < 2 * plan.steps_per_bar:
                sounding[pitch] = begin
            else:
                beats = (end - begin) / plan.steps_per_beat
                events.append(
                    Event(begin / plan.steps_per_beat, beats * 0.99, pitch, 1.0 + chance.near(0.02))
                )
    return events


def _held(
    plan: SongPlan, bars: Sequence[Bar], seat: Seat, size: int = 0
) -> dict[tuple[int, int], tuple[int, ...]]:
    """The notes under the hand at each chord, by bar and step."""
    places = [(bar.index, start) for bar in bars for start, _ in bar.chords]
    chords = [chord for bar in bars for _, chord in bar.chords]
    if seat.role == "comp":
        chords = without_third(plan, chords)
    size = size or SIZES[plan.genre.colour]
    return dict(zip(places, voicings(chords, seat.low, seat.high, size), strict=True))


def _pattern(patterns: Variants, bar: Bar, chance: Chance) -> str:
    """The section's pattern, another where a phrase of four ends or where the section comes back."""
    own = patterns[(len(bar.part.name) + bar.part.turn + bar.place // 8) % len(patterns)]
    return chance.pick(patterns) if bar.place % 4 == 3 or chance.happens(0.06) else own
