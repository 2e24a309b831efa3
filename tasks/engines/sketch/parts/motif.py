"""Motifs: a bar's rhythm and the way its notes move, to be said again on other chords."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.engines.sketch.genres import Melody
from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.planning.plan import SongPlan

# Cells in steps of the grid, rests negative: one beat, and two beats, in simple and compound metres.
ONE_BEAT = ((4,), (2, 2), (3, 1), (2, 1, 1), (1, 1, 2), (-2, 2), (1, 1, 1, 1), (-4,))
TWO_BEATS = (
    (8,),
    (6, 2),
    (4, 4),
    (4, 2, 2),
    (2, 2, 4),
    (3, 3, 2),
    (2, 4, 2),
    (-2, 2, 4),
    (2, 2, 2, 2),
    (-2, 2, 2, 2),
)
ONE_COMPOUND = ((6,), (4, 2), (2, 2, 2), (2, 4), (3, 1, 2), (-2, 2, 2))
TWO_COMPOUND = ((12,), (6, 6), (6, 4, 2), (10, 2), (4, 2, 6))
SYNCOPATED = frozenset({(3, 3, 2), (2, 4, 2), (-2, 2, 4), (-2, 2), (-2, 2, 2, 2), (1, 1, 2), (2, 4), (-4,)})


@dataclass(frozen=True, slots=True)
class Motif:
    """`rhythm` is (step, steps held) of each note in a bar; `moves` are scale steps to the next note."""

    rhythm: tuple[tuple[int, int], ...]
    moves: tuple[int, ...]

    def inverted(self) -> Motif:
        """What rose falls."""
        return replace(self, moves=tuple(-move for move in self.moves))

    def opening(self, steps: int, bar: int) -> Motif:
        """Its beginning, then one long note: how a phrase comes to rest."""
        kept = [(start, held) for start, held in self.rhythm if start < steps]
        rest = max(steps, kept[-1][0] + kept[-1][1] if kept else 0)
        rhythm = [(start, min(held, steps - start)) for start, held in kept]
        if rest < bar:
            rhythm.append((rest, bar - rest))
        return Motif(tuple(rhythm), (self.moves + (1, -1) * len(rhythm))[: max(len(rhythm) - 1, 0)])

    def varied(self, chance: Chance) -> Motif:
        """The same thought in other words: a long note divided, two joined, or its end turned round."""
        way = chance.pick(("divide", "join", "turn", "divide"))
        long = [place for place, (_, held) in enumerate(self.rhythm) if held >= 4]
        if way == "divide" and long:
            return self._divided(chance.pick(long), chance)
        if way == "join" and len(self.rhythm) > 3:
            return self._joined(1 + int(chance.between(0, len(self.rhythm) - 2)))
        return replace(self, moves=(*self.moves[:-1], -self.moves[-1])) if self.moves else self

    def _divided(self, place: int, chance: Chance) -> Motif:
        start, held = self.rhythm[place]
        half = held // 4 * 2
        rhythm = (*self.rhythm[:place], (start, half), (start + half, held - half), *self.rhythm[place + 1 :])
        step = chance.pick((1, -1))
        before, after = self.moves[:place], self.moves[place:]
        onward = (after[0] - step, *after[1:]) if after else ()
        return Motif(rhythm, (*before, step, *onward))

    def _joined(self, place: int) -> Motif:
        start, held = self.rhythm[place - 1]
        joined = (start, self.rhythm[place][0] + self.rhythm[place][1] - start)
        rhythm = (*self.rhythm[: place - 1], joined, *self.rhythm[place + 1 :])
        moves = list(self.moves)
        gone = moves.pop(place - 1)
        if place - 1 < len(moves):
            moves[place - 1] += gone
        return Motif(rhythm, tuple(moves)) if held else self


def make_motif(plan: SongPlan, melody: Melody, chance: Chance) -> Motif:
    """A motif in the genre's manner, with at least two notes."""
    least = 3 if melody.density >= 0.7 and plan.timing.beats_per_bar > 2 else 2
    on_the_beat = not chance.happens(melody.syncopation)
    for _ in range(12):
        rhythm = _rhythm(plan, melody, chance)
        if len(rhythm) >= least and (rhythm[0][0] == 0 or not on_the_beat):
            break
    else:
        half = plan.steps_per_bar // 2
        rhythm = ((0, half), (half, plan.steps_per_bar - half))
    return Motif(rhythm, _moves(len(rhythm) - 1, melody, chance))


def _rhythm(plan: SongPlan, melody: Melody, chance: Chance) -> tuple[tuple[int, int], ...]:
    compound = plan.steps_per_beat == 6
    ones, twos = (ONE_COMPOUND, TWO_COMPOUND) if compound else (ONE_BEAT, TWO_BEATS)
    left, cells = plan.timing.beats_per_bar, list[int]()
    while left:
        wide = left >= 2 and chance.happens(0.6)
        table = twos if wide else ones
        cells += _cell(table, 2 if wide else 1, melody, plan, chance)
        left -= 2 if wide else 1
    notes, at = [], 0
    for length in cells:
        if length > 0:
            notes.append((at, length))
        at += abs(length)
    return tuple(notes)


def _cell(
    table: Sequence[tuple[int, ...]], beats: int, melody: Melody, plan: SongPlan, chance: Chance
) -> tuple[int, ...]:
    """Cells near the genre's density; sixteenths only where there is time for them."""
    weights = {}
    wanted = melody.density * (1.5 if plan.steps_per_beat == 6 else 1.0)  # a dotted quarter has room for more
    for cell in table:
        density = sum(length > 0 for length in cell) / beats
        weight = math.exp(-2.2 * abs(density - wanted))
        if cell in SYNCOPATED:
            weight *= 0.25 + 2.2 * melody.syncopation
        if 1 in cell and plan.timing.beat < 0.52:
            weight *= 0.1
        weights[cell] = weight
    return chance.weighed(weights)


def _moves(count: int, melody: Melody, chance: Chance) -> tuple[int, ...]:
    """Steps mostly, in one direction for a while; after a leap the line turns back by step."""
    moves: list[int] = []
    direction = chance.pick((1, -1))
    while len(moves) < count:
        if len(moves) >= 3 and all(move * direction > 0 for move in moves[-3:]):
            direction = -direction
        if moves and abs(moves[-1]) >= 2:
            moves.append(-1 if moves[-1] > 0 else 1)
            direction = moves[-1]
        elif chance.happens(melody.leaps):
            moves.append(direction * chance.weighed({2: 6, 3: 3, 4: 0.5}))
        else:
            direction = -direction if chance.happens(0.3) else direction
            moves.append(chance.weighed({direction: 5, 0: 1}))
    return tuple(moves)
