"""The melody: a few motifs that return on other chords, higher or lower, turned round and varied."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.engines.sketch.genres import Melody
from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.music.theory import Chord, climb, nearest
from tasks.engines.sketch.parts.event import Event
from tasks.engines.sketch.parts.motif import Motif, make_motif
from tasks.engines.sketch.planning.cast import Seat
from tasks.engines.sketch.planning.harmony import Bar, scale_over
from tasks.engines.sketch.planning.plan import SongPlan

# Which motifs a section is made of, and how phrases of four bars are built: (motif, scale steps up).
THEMES = {
    "intro": "ab",
    "verse": "ab",
    "prechorus": "bc",
    "chorus": "cd",
    "bridge": "ea",
    "solo": "sc",
    "outro": "ca",
}
PHRASES = (
    (("1", 0), ("1", 1), ("2", 0), ("end", 0)),
    (("1", 0), ("2", 0), ("1", -1), ("end", 0)),
    (("1", 0), ("1", 0), ("1", 2), ("end", 0)),
    (("1", 0), ("2", 1), ("1", 1), ("end", -1)),
    (("1", 0), ("1", -1), ("1", -2), ("end", 0)),
)
HEIGHT = {
    "intro": 0.3,
    "verse": 0.34,
    "prechorus": 0.45,
    "chorus": 0.62,
    "bridge": 0.5,
    "solo": 0.62,
    "outro": 0.4,
}
ARC = (0.0, 1.5, 2.5, 0.0)  # semitones by which a phrase rises and falls back


class Singer:
    """Sings a song's melody bar by bar, remembering where it stands."""

    def __init__(self, plan: SongPlan, seat: Seat, chance: Chance) -> None:
        self.plan, self.seat, self.chance = plan, seat, chance
        self.pitch = seat.low + (seat.high - seat.low) // 3
        self.motifs: dict[str, Motif] = {}

    def sing(self, bars: Sequence[Bar]) -> list[Event]:
        """The melody over the bars."""
        return [event for bar in bars for event in self._bar(bar)]

    def motif(self, letter: str) -> Motif:
        """A motif of the song; the chorus answers the verse, the bridge turns it round."""
        if letter not in self.motifs:
            melody = self.plan.genre.melody
            chance = Chance("motif", *self.plan.seed, letter)
            made = make_motif(self.plan, _busier(melody) if letter.startswith("s") else melody, chance)
            if letter == "e":
                made = self.motif("a").inverted()
            elif letter == "c" and chance.happens(0.45):
                made = Motif(made.rhythm, (self.motif("a").inverted().moves * 4)[: len(made.rhythm) - 1])
            self.motifs[letter] = made
        return self.motifs[letter]

    def _bar(self, bar: Bar) -> list[Event]:
        motif, shift = self._thought(bar)
        beat = self.plan.steps_per_beat
        base = bar.index * self.plan.steps_per_bar
        events = []
        for pitch, (step, held) in zip(self._pitches(motif, shift, bar), motif.rhythm, strict=True):
            length = (
                held
                / beat
                * (0.86 if bar.place % 4 == 3 and step + held >= self.plan.steps_per_bar else 0.95)
            )
            events.append(Event((base + step) / beat, length, pitch, 1.06 if step == 0 else 1.0))
        return self._ornamented(events, bar)

    def _thought(self, bar: Bar) -> tuple[Motif, int]:
        """The motif of a bar: by its section's theme and phrase, varied when it comes back."""
        form = Chance("phrase", *self.plan.seed, bar.part.name, bar.place // 8).pick(PHRASES)
        name, shift = form[bar.place % 4]
        first, second = tuple(THEMES[bar.part.name])
        if first == "s":
            first = f"s{bar.place // 2 % 3}"
        motif = self.motif(first if name in {"1", "end"} else second)
        if name == "end" or (bar.last and bar.part.bars > 1):
            # a phrase in the middle rests for half a bar, a section's end nearly a whole one
            half = self.plan.steps_per_bar // 2
            return motif.opening(half if not bar.last else max(half // 2, 2), self.plan.steps_per_bar), shift
        returns = bar.part.turn > 0 or bar.place >= 4
        if returns and self.chance.happens(0.24):
            motif = motif.varied(self.chance)
        return motif, shift

    def _centre(self, bar: Bar) -> float:
        seat = self.seat
        lift = 0.06 * min(bar.part.turn, 2)
        height = seat.low + (seat.high - seat.low) * min(HEIGHT[bar.part.name] + lift, 0.8)
        return height + ARC[bar.place % 4]

    def _pitches(self, motif: Motif, shift: int, bar: Bar) -> list[int]:
        beat = self.plan.steps_per_beat
        low, high = self._reach(bar)
        pitches: list[int] = []
        for place, (step, held) in enumerate(motif.rhythm):
            sounding = bar.chord_at(step)
            scale = scale_over(self.plan, sounding)
            if place == 0:
                aim = 0.5 * (self.pitch + self._centre(bar)) + 1.8 * shift
                self.pitch = self._onto_chord(aim, sounding, scale)
            else:
                move = self._kept_within(motif.moves[place - 1], low, high)
                pitch = climb(nearest(self.pitch, scale), move, scale)
                # off the strong beats a note may pass by step; what stays long or leaps belongs to the chord
                strong = (
                    held >= 2 * beat or step % (2 * beat) == 0 or abs(move) > 1 or (held >= beat and not move)
                )
                self.pitch = self._led(pitch, move, sounding, scale) if strong else pitch
            pitches.append(self.pitch)
        if bar.last or bar.place % 4 == 3:
            self._come_to_rest(pitches, motif, bar)
        return pitches

    def _reach(self, bar: Bar) -> tuple[int, int]:
        """How low and high the bar's line may go: an octave and a half around its centre."""
        centre = self._centre(bar)
        return max(self.seat.low, round(centre - 9)), min(self.seat.high, round(centre + 9))

    def _kept_within(self, move: int, low: int, high: int) -> int:
        """A move that would leave the reach turns back."""
        wide = 2 * abs(move)
        if self.pitch + wide > high and move > 0:
            return -move
        return -move if self.pitch - wide < low and move < 0 else move

    def _led(self, aim: int, move: int, sounding: Chord, scale: Sequence[int]) -> int:
        """A chord's note near the aim that keeps the line's direction; it stands still only if asked."""
        notes = self._chord_notes(sounding, scale)
        near = [pitch for pitch in range(aim - 5, aim + 6) if pitch % 12 in notes] or [aim]

        def cost(pitch: int) -> float:
            still = 2.5 * (pitch == self.pitch and move != 0)
            back = 2.0 * ((pitch - self.pitch) * move < 0)
            return abs(pitch - aim) + still + back

        return min(near, key=lambda pitch: (cost(pitch), pitch))

    def _chord_notes(self, sounding: Chord, scale: Sequence[int]) -> list[int]:
        """Pentatonic tunes keep to their five notes where the chord has any of them."""
        return [note for note in sounding.classes[:4] if note in scale] or list(scale)

    def _onto_chord(self, aim: float, sounding: Chord, scale: Sequence[int]) -> int:
        return nearest(aim, self._chord_notes(sounding, scale), self.seat.low, self.seat.high)

    def _come_to_rest(self, pitches: list[int], motif: Motif, bar: Bar) -> None:
        """The last note is the tonic where the chord has it, else the chord's next to the one before."""
        sounding = bar.chord_at(motif.rhythm[-1][0])
        scale = scale_over(self.plan, sounding)
        around = pitches[-2] if len(pitches) > 1 else pitches[-1]
        home = self.plan.key.tonic
        if home in sounding.classes:
            pitches[-1] = nearest(around, (home,), self.seat.low, self.seat.high)
        else:
            away = climb(around, self.chance.pick((-1, -1, 1)), scale)
            pitches[-1] = self._onto_chord(away, sounding, scale)
        self.pitch = pitches[-1]

    def _ornamented(self, events: list[Event], bar: Bar) -> list[Event]:
        """A grace note from the step above before a long note, now and then."""
        if not events or not self.chance.happens(self.plan.genre.melody.ornaments):
            return events
        place = max(range(len(events)), key=lambda i: events[i].length)
        event = events[place]
        if event.length < 0.75:
            return events
        scale = scale_over(self.plan, bar.chord_at(0))
        grace = Event(event.at, 0.22, climb(event.pitch, self.chance.pick((1, 1, -1)), scale), 0.86)
        late = Event(event.at + 0.25, event.length - 0.25, event.pitch, event.force)
        return [*events[:place], grace, late, *events[place + 1 :]]


def _busier(melody: Melody) -> Melody:
    return Melody(melody.density * 1.5, melody.syncopation, melody.leaps * 0.8, melody.ornaments)


def lead(plan: SongPlan, bars: Sequence[Bar], seat: Seat, chance: Chance) -> list[Event]:
    """The melody of the bars the seat plays in."""
    return Singer(plan, seat, chance).sing(bars)


def counter(plan: SongPlan, bars: Sequence[Bar], seat: Seat, chance: Chance) -> list[Event]:
    """A second voice: thirds and sevenths led by step in long notes, with a turn before a new chord."""
    pitch = (seat.low + seat.high) // 2
    half = plan.steps_per_bar // 2 if plan.timing.beats_per_bar % 2 == 0 else plan.steps_per_beat
    events = []
    for bar in bars:
        starts = sorted({0, half, *(start for start, _ in bar.chords)})
        if len(bar.chords) == 1 and chance.happens(0.35):
            starts = [0]
        for start, end in zip(starts, [*starts[1:], plan.steps_per_bar], strict=True):
            sounding = bar.chord_at(start)
            scale = scale_over(plan, sounding)
            guides = [note for note in sounding.classes[1:4] if note in scale] or list(scale)
            drift = chance.pick((-2, 2)) if start else 0
            pitch = nearest(pitch + drift, guides, seat.low, seat.high)
            at = (bar.index * plan.steps_per_bar + start) / plan.steps_per_beat
            long = (end - start) / plan.steps_per_beat
            events.append(Event(at, long * 0.94, pitch))
            if long >= 2 and chance.happens(0.3):
                events[-1] = Event(at, (long - 1) * 0.97, pitch)
                passing = climb(pitch, chance.pick((-1, 1)), scale)
                events.append(Event(at + long - 1, 0.9, passing, 0.92))
    return events
