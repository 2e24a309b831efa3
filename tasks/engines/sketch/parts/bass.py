"""The bass: patterns over the roots, or a line that walks."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.music.theory import Chord, climb, nearest
from tasks.engines.sketch.parts.event import Event, runs
from tasks.engines.sketch.parts.patterns import BASS, variants
from tasks.engines.sketch.planning.cast import Seat
from tasks.engines.sketch.planning.harmony import Bar, scale_over
from tasks.engines.sketch.planning.plan import SongPlan


def bass(plan: SongPlan, bars: Sequence[Bar], seat: Seat, chance: Chance) -> list[Event]:
    """The bass line of the bars the seat plays in."""
    if seat.style == "walk":
        return _walk(plan, bars, seat, chance)
    patterns = variants(BASS, seat.style, plan.metre)
    events: list[Event] = []
    for bar, following in zip(bars, [*bars[1:], None], strict=True):
        pattern = _pattern(patterns, bar, chance)
        for step, held, sign in runs(pattern):
            sounding = bar.chord_at(step)
            target = following.chords[0][1] if following else sounding
            pitch = _pitch(plan, sign, sounding, target, seat)
            at = (bar.index * plan.steps_per_bar + step) / plan.steps_per_beat
            cut = _until_change(bar, step, held)
            events.append(Event(at, cut / plan.steps_per_beat * 0.94, pitch, 1.08 if step == 0 else 1.0))
        events += _second_roots(plan, bar, pattern, seat)
    return events


def _pattern(patterns: Sequence[str], bar: Bar, chance: Chance) -> str:
    """The section's own pattern most of the time; another where a phrase of four ends."""
    own = patterns[(len(bar.part.name) + bar.part.turn // 2) % len(patterns)]
    if bar.last or bar.place % 4 == 3 or chance.happens(0.06):
        return chance.pick(patterns)
    return own


def _until_change(bar: Bar, step: int, held: int) -> int:
    return next((min(held, start - step) for start, _ in bar.chords if start > step), held)


def _second_roots(plan: SongPlan, bar: Bar, pattern: str, seat: Seat) -> list[Event]:
    """A root at each change inside the bar that the pattern passes over, so that the change is heard."""
    events = []
    for start, sounding in bar.chords[1:]:
        if pattern[start] in ".-":
            at = (bar.index * plan.steps_per_bar + start) / plan.steps_per_beat
            length = next((i for i in range(1, len(pattern) - start) if pattern[start + i] not in ".-"), 2)
            pitch = nearest(_home(seat), (sounding.root,), seat.low, seat.high)
            events.append(Event(at, length / plan.steps_per_beat * 0.9, pitch))
    return events


def _home(seat: Seat) -> float:
    return seat.low + (seat.high - seat.low) * 0.35


def _pitch(plan: SongPlan, sign: str, sounding: Chord, target: Chord, seat: Seat) -> int:
    root = nearest(_home(seat), (sounding.root,), seat.low, seat.high)
    if sign == "a":
        goal = nearest(_home(seat), (target.root,), seat.low, seat.high)
        side = -1 if goal >= root else 1
        return climb(goal, side, scale_over(plan, sounding, seven=True))
    if sign == "8":
        return root + 12
    wanted = {"r": 0, "3": 4, "5": 7, "6": 9, "7": 10}[sign]
    intervals = [interval % 12 for interval in sounding.intervals]
    near = min(intervals, key=lambda interval: abs(interval - wanted)) if sign in "357" else wanted
    near = wanted if sign == "6" and 4 in intervals else near
    if sign == "6" and 4 not in intervals:
        near = 7
    return root + near if root + near <= seat.high + 5 else root + near - 12


def _walk(plan: SongPlan, bars: Sequence[Bar], seat: Seat, chance: Chance) -> list[Event]:
    """A note a beat: the root where a chord begins, steps and chord notes between, a step into the next."""
    targets = [(bar.index, start, sounding) for bar in bars for start, sounding in bar.chords]
    events: list[Event] = []
    pitch = nearest(_home(seat), (targets[0][2].root,), seat.low, seat.high)
    for place, (index, start, sounding) in enumerate(targets):
        begin = (index * plan.steps_per_bar + start) // plan.steps_per_beat
        same_bar = [s for i, s, _ in targets[place + 1 : place + 2] if i == index]
        end_step = same_bar[0] if same_bar else plan.steps_per_bar
        count = (end_step - start) // plan.steps_per_beat
        goal = targets[place + 1][2] if place + 1 < len(targets) else sounding
        pitch = nearest(pitch, (sounding.root,), seat.low, seat.high)
        for beat, note in enumerate(_stroll(plan, (pitch, sounding, goal, count), seat, chance)):
            events.append(Event(begin + beat, 0.92, note, 1.05 if beat == 0 else 0.96))
            pitch = note
            if chance.happens(0.1):
                events.append(Event(begin + beat + 0.5, 0.3, note, 0.7))
    return events


def _stroll(plan: SongPlan, hop: tuple[int, Chord, Chord, int], seat: Seat, chance: Chance) -> list[int]:
    """`hop` is the first pitch, the chord that sounds, the one it leads to, and how many beats there are."""
    start, sounding, goal, count = hop
    scale = scale_over(plan, sounding, seven=True)
    end = nearest(start + chance.near(4.0), (goal.root,), seat.low, seat.high)
    notes = [start]
    direction = 1 if end > start or (end == start and chance.happens(0.5)) else -1
    for beat in range(1, count):
        if beat == count - 1:
            above = chance.happens(0.5)
            notes.append(
                end + (1 if above else -1) if chance.happens(0.45) else climb(end, 1 if above else -1, scale)
            )
        elif chance.happens(0.5):
            notes.append(climb(notes[-1], direction, scale))
        else:
            notes.append(nearest(notes[-1] + 4 * direction, sounding.classes, seat.low, seat.high))
        if not seat.low <= notes[-1] <= seat.high:
            direction = -direction
            notes[-1] = nearest(notes[-1], sounding.classes, seat.low, seat.high)
    return notes[:count]
