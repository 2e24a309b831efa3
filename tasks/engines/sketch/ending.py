"""The last chord: the tonic in every hand, ringing out to the song's exact end."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.engines.sketch.music.theory import nearest
from tasks.engines.sketch.parts import kits
from tasks.engines.sketch.parts.event import Event
from tasks.engines.sketch.parts.kits import KITS
from tasks.engines.sketch.planning.cast import Seat
from tasks.engines.sketch.planning.harmony import tonic, voicings, without_third
from tasks.engines.sketch.planning.plan import SongPlan

LONG = 4.2  # seconds of ringing after which the chord is touched again
ROLL = 0.03  # seconds between the notes of the last chord in a rolling hand


def ending(plan: SongPlan, seat: Seat, before: Sequence[Event]) -> list[Event]:
    """A seat's last notes; `before` is what it has played."""
    at = float(plan.timing.last_beat)
    length = plan.seconds / plan.timing.beat - at
    final = tonic(plan)
    if seat.role == "bass":
        home = seat.low + (seat.high - seat.low) * 0.35
        pitches: tuple[int, ...] = (nearest(home, (final.root,), seat.low, seat.high),)
    elif seat.role in {"lead", "counter"}:
        last = before[-1].pitch if before else (seat.low + seat.high) // 2
        classes = (final.root,) if seat.role == "lead" else final.classes[:3]
        pitches = (nearest(last, classes, seat.low, seat.high),)
    else:
        struck = without_third(plan, [final]) if seat.role == "comp" else [final]
        pitches = voicings(struck, seat.low, seat.high, 4)[0]
    roll = ROLL / plan.timing.beat if seat.role == "arp" else 0.0
    events = [Event(at + roll * i, length - roll * i, pitch, 1.0) for i, pitch in enumerate(pitches)]
    return events + _touched_again(plan, seat, pitches, at, length)


def _touched_again(
    plan: SongPlan, seat: Seat, pitches: Sequence[int], at: float, length: float
) -> list[Event]:
    """Where the tempo leaves long to ring: the chord's notes once more, beat by beat and ever softer."""
    left = length * plan.timing.beat
    if left <= LONG or seat.role not in {"comp", "arp", "lead", "bass"}:
        return []
    apart = max(1.0, round(1.1 / plan.timing.beat))
    count = int((left - 2.6) / (apart * plan.timing.beat))
    events = []
    for number in range(1, count + 1):
        pitch = pitches[number % len(pitches)]
        start = at + number * apart
        events.append(Event(start, length - number * apart, pitch, max(0.8 - 0.08 * number, 0.45)))
    return events


def last_stroke(plan: SongPlan) -> list[Event]:
    """The drums' last: the kick, and a cymbal where the kit has one to ring."""
    kit = KITS[plan.kit]
    at = float(plan.timing.last_beat)
    kick = kits.BASS_DRUM if any(line.drum == kits.BASS_DRUM for line in kit.lines[4]) else kits.KICK
    events = [Event(at, 0.5, kick, 0.95)]
    ring = plan.seconds / plan.timing.beat - at
    if kit.crash:
        events.append(Event(at, ring, kits.CRASH, 0.8))
    elif any(line.drum == kits.RIDE for line in kit.lines[4]):
        events.append(Event(at, ring, kits.RIDE, 0.9))
    return events
