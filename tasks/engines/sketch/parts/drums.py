"""The drums: the kit's pattern by the section's strength, fills before a new section, a crash into it."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.parts import kits
from tasks.engines.sketch.parts.event import FORCE, Event
from tasks.engines.sketch.parts.kits import KITS, Kit
from tasks.engines.sketch.planning.harmony import Bar
from tasks.engines.sketch.planning.plan import SongPlan

METRE = {"2/4": 4, "3/4": 3, "4/4": 4, "6/8": 6}
RINGING = frozenset({kits.CRASH, kits.RIDE, kits.OPEN, kits.TRIANGLE, kits.BELL})
FILLS = {
    "toms": (kits.SNARE, kits.HIGH_TOM, kits.MID_TOM, kits.LOW_TOM),
    "snare": (kits.SNARE,),
    "latin": (kits.TIMBALE, kits.HIGH_BONGO, kits.CONGA, kits.LOW_CONGA),
}


def drums(plan: SongPlan, bars: Sequence[Bar], chance: Chance) -> list[Event]:
    """What the drummer plays in all bars."""
    kit = KITS[plan.kit]
    playing = [bar for bar in bars if _plays(plan, bar, kit)]
    events: list[Event] = []
    for bar in playing:
        fill = _fill_length(plan, bar, bars, kit, chance)
        events += _pattern(plan, bar, kit, plan.steps_per_bar - fill, chance)
        events += _fill(plan, bar, kit, fill, chance)
        if kit.crash and bar.place == 0 and bar.part.energy >= 0.6 and (bar.index or bar.part.energy > 0.75):
            events.append(Event(_beat(plan, bar, 0), 2.0, kits.CRASH, 0.95))
    return sorted(events, key=lambda event: (event.at, event.pitch))


def _plays(plan: SongPlan, bar: Bar, kit: Kit) -> bool:
    """Whether the section is strong enough; drums that were asked for rest in the introduction alone."""
    if plan.wish.drums or len(plan.parts) == 1:
        return bar.part.name != "intro" or bar.part.energy >= kit.enter or len(plan.parts) == 1
    return bar.part.energy >= kit.enter


def _beat(plan: SongPlan, bar: Bar, step: int) -> float:
    return (bar.index * plan.steps_per_bar + step) / plan.steps_per_beat


def _pattern(plan: SongPlan, bar: Bar, kit: Kit, until: int, chance: Chance) -> list[Event]:
    events = []
    energy = bar.part.energy
    for line in kit.lines[METRE[plan.metre]]:
        if not line.enter <= energy < line.leave and not (line.enter and line is kit.lines[4][0]):
            continue
        own = line.patterns[(bar.part.turn + len(bar.part.name)) % len(line.patterns)]
        pattern = chance.pick(line.patterns) if bar.place % 4 == 3 or chance.happens(0.06) else own
        for step, character in enumerate(pattern[:until]):
            if character == "." or (character == "o" and chance.happens(0.04)):
                continue
            length = 1.5 if line.drum in RINGING else 0.25
            events.append(Event(_beat(plan, bar, step), length, line.drum, FORCE[character]))
    return events


def _fill_length(plan: SongPlan, bar: Bar, bars: Sequence[Bar], kit: Kit, chance: Chance) -> int:
    """Steps of a bar that the fill takes: a beat or two at a section's end, less inside."""
    if kit.fills == "none":
        return 0
    beat = plan.steps_per_beat
    if bar.last:
        following = bars[bar.index + 1].part.energy if bar.index + 1 < len(bars) else 0.0
        wide = following > bar.part.energy and plan.timing.beats_per_bar > 2
        return 2 * beat if wide else beat
    return beat // 2 if bar.place % 4 == 3 and chance.happens(0.5) else 0


def _fill(plan: SongPlan, bar: Bar, kit: Kit, steps: int, chance: Chance) -> list[Event]:
    """A run over the fill's drums, growing towards its end; at a fast tempo in eighths."""
    if not steps:
        return []
    stride = 1 if plan.timing.beat > 0.36 else 2
    if steps > plan.steps_per_beat and chance.happens(0.4):
        stride = 2
    instruments = FILLS[kit.fills]
    begin = plan.steps_per_bar - steps
    events = []
    for place in range(0, steps, stride):
        if chance.happens(0.12) and place:
            continue
        drum = instruments[min(place * len(instruments) // steps, len(instruments) - 1)]
        events.append(Event(_beat(plan, bar, begin + place), 0.25, drum, 0.72 + 0.4 * place / steps))
    return events
