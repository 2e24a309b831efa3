"""Feel: from the grid to seconds and velocities, with swing, a human's spread, accents and dynamics."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.music.score import Note
from tasks.engines.sketch.parts.event import Event
from tasks.engines.sketch.planning.plan import SongPlan

VELOCITY = {"lead": 96, "counter": 80, "comp": 80, "arp": 76, "pad": 72, "bass": 92, "drums": 94}
# Fractions of the genre's spread that a player is late (behind the beat) by habit.
LATE = {"lead": 0.5, "comp": 0.2, "counter": 0.3, "arp": 0.0, "pad": -0.4, "bass": 0.1, "drums": 0.0}
QUIETEST, LOUDEST = 16, 124
SHORTEST = 0.04  # seconds
TAIL = 0.3  # seconds before the end at which the last notes are let go, so that the room has the last word


class Feel:
    """Plays events: where the beat falls, how strongly, with what spread."""

    def __init__(self, plan: SongPlan) -> None:
        self.plan = plan
        self._strengths = _strengths(plan)

    def play(self, events: Sequence[Event], role: str, chance: Chance) -> list[Note]:
        """Notes of the events in the order of their start."""
        notes = [self._note(event, role, chance) for event in events]
        return _tidy(notes)

    def seconds(self, beat: float) -> float:
        """When a beat of the grid sounds, swung."""
        whole, part = divmod(beat, 1.0)
        pairs = self.plan.genre.swing_unit // 2
        if self.plan.steps_per_beat == 4 and self.plan.genre.swing != 0.5:
            number, inside = divmod(part * pairs, 1.0)
            late = self.plan.genre.swing
            swung = inside * 2 * late if inside < 0.5 else late + (inside - 0.5) * 2 * (1 - late)
            part = (number + swung) / pairs
        return (whole + part) * self.plan.timing.beat

    def _note(self, event: Event, role: str, chance: Chance) -> Note:
        loose = self.plan.genre.loose
        late = LATE[role] * loose + chance.near(loose * 0.5)
        start = max(0.0, self.seconds(event.at) + max(-2.5 * loose, min(2.5 * loose, late)))
        limit = self.plan.seconds - TAIL
        start = min(start, limit - SHORTEST)
        end = min(max(self.seconds(event.at + event.length), start + SHORTEST), limit)
        return Note(round(start, 4), round(end, 4), event.pitch, self._velocity(event, role, chance))

    def _velocity(self, event: Event, role: str, chance: Chance) -> int:
        place = min(int(event.at / self.plan.timing.beats_per_bar), len(self._strengths) - 1)
        within = event.at % self.plan.timing.beats_per_bar
        accent = 1.05 if within < 0.01 else 1.0 if within % 1.0 < 0.01 else 0.94
        spread = 0.0 if self.plan.genre.loose == 0 else 0.045
        force = event.force * accent * self._strengths[place] * (1 + chance.near(spread))
        return int(min(max(VELOCITY[role] * force, QUIETEST), LOUDEST))


def _strengths(plan: SongPlan) -> list[float]:
    """A factor for every bar, and the last chord: the sections' strength, growing or fading inside them."""
    factors = []
    for part in plan.parts:
        base = 0.54 + 0.58 * part.energy
        for bar in range(part.bars):
            way = bar / max(part.bars - 1, 1)
            swell = {"prechorus": 0.1 * way, "bridge": 0.12 * way, "intro": 0.08 * way, "outro": -0.16 * way}
            arc = 0.03 * (1.0, 1.6, 2.0, 0.6)[bar % 4]
            factors.append(base * (0.97 + arc + swell.get(part.name, 0.0)))
    factors.append(0.9 * (0.54 + 0.58 * plan.parts[-1].energy))
    return factors


def _tidy(notes: Sequence[Note]) -> list[Note]:
    """In order, and no pitch struck again before it was let go."""
    ordered = sorted(notes, key=lambda note: (note.start, note.pitch))
    upcoming: dict[int, float] = {}
    result: list[Note] = []
    for note in reversed(ordered):
        following = upcoming.get(note.pitch)
        if following is not None and following - note.start < SHORTEST / 2:
            continue
        end = min(note.end, following - 0.005) if following is not None else note.end
        upcoming[note.pitch] = note.start
        result.append(
            Note(note.start, max(round(end, 4), round(note.start + 0.01, 4)), note.pitch, note.velocity)
        )
    return result[::-1]
