"""From a request to a score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from tasks.engines.sketch.ending import ending, last_stroke
from tasks.engines.sketch.feel import Feel
from tasks.engines.sketch.music.chance import Chance
from tasks.engines.sketch.music.names import GENERAL_MIDI
from tasks.engines.sketch.music.score import Score, Section, Track
from tasks.engines.sketch.parts.bass import bass
from tasks.engines.sketch.parts.chords import arp, comp, pad
from tasks.engines.sketch.parts.drums import drums
from tasks.engines.sketch.parts.event import Event
from tasks.engines.sketch.parts.melody import counter, lead
from tasks.engines.sketch.planning.cast import Seat
from tasks.engines.sketch.planning.harmony import Bar, harmonise
from tasks.engines.sketch.planning.plan import SongPlan, make_plan
from tasks.engines.sketch.planning.title import title
from tasks.jobs import JobRequest

Player = Callable[[SongPlan, Sequence[Bar], Seat, Chance], list[Event]]
PLAYERS: dict[str, Player] = {
    "lead": lead,
    "counter": counter,
    "comp": comp,
    "arp": arp,
    "pad": pad,
    "bass": bass,
}


def compose(request: JobRequest, seed: int) -> Score:
    """The score of a request: the same request and seed, the same score; another seed, another piece.

    Args:
        request: What was asked for; only prompt, lyrics, duration, bpm, key_scale and time_signature count.
        seed: Any whole number.
    """
    return write_out(make_plan(request, seed))


def write_out(plan: SongPlan) -> Score:
    """The score of a plan."""
    bars = harmonise(plan)
    feel = Feel(plan)
    chance = Chance("play", *plan.seed)
    tracks = [
        _track(plan, seat, bars, feel, chance.fork(seat.role, place)) for place, seat in enumerate(plan.seats)
    ]
    tracks = [track for _, track in sorted(zip(plan.seats, tracks, strict=True), key=_lead_first)]
    if plan.kit:
        tracks.append(_drum_track(plan, bars, feel, chance))
    _name_apart(tracks)
    return Score(
        title=title(plan),
        seconds=plan.seconds,
        bpm=plan.timing.bpm,
        beats_per_bar=plan.timing.beats_per_bar,
        time_signature=plan.metre,
        key=plan.key.name,
        genre=plan.genre.name,
        sections=_sections(plan),
        tracks=[track for track in tracks if track.notes],
        room_seconds=plan.genre.room_seconds,
    )


def _track(plan: SongPlan, seat: Seat, bars: Sequence[Bar], feel: Feel, chance: Chance) -> Track:
    playing = [bar for bar in bars if _plays(plan, seat, bar)]
    events = PLAYERS[seat.role](plan, playing, seat, chance) if playing else []
    events = [_cut(event, plan) for event in events if event.at < plan.timing.last_beat - 1e-6]
    if not playing or playing[-1].index == bars[-1].index or seat.role in {"bass", "pad"}:
        events += ending(plan, seat, events)
    return Track(
        name=GENERAL_MIDI[seat.program],
        program=seat.program,
        notes=feel.play(events, seat.role, chance.fork("feel")),
        loudness=seat.loudness,
        pan=seat.pan,
        room=seat.room,
    )


def _plays(plan: SongPlan, seat: Seat, bar: Bar) -> bool:
    """Whether a seat plays in a bar: by the section's strength; the melody leaves introductions to others."""
    others = len(plan.seats) > 1
    if seat.role == "lead" and others and len(plan.parts) > 1:
        if bar.part.name == "intro":
            return False
        return bar.part.name in {"chorus", "solo", "verse"} or bar.part.energy >= seat.enter
    return len(plan.parts) == 1 or bar.part.energy >= seat.enter


def _cut(event: Event, plan: SongPlan) -> Event:
    """Nothing holds over into the last chord."""
    left = plan.timing.last_beat - event.at
    return event if event.length <= left else Event(event.at, left * 0.97, event.pitch, event.force)


def _drum_track(plan: SongPlan, bars: Sequence[Bar], feel: Feel, chance: Chance) -> Track:
    chance = chance.fork("drums")
    events = [event for event in drums(plan, bars, chance) if event.at < plan.timing.last_beat - 1e-6]
    if events:
        events += last_stroke(plan)
    return Track(
        name="Drums",
        program=0,
        notes=feel.play(events, "drums", chance.fork("feel")),
        drums=True,
        loudness=plan.genre.drum_loudness,
        room=min(0.12, 0.5 * plan.genre.room_seconds),
    )


def _lead_first(pair: tuple[Seat, Track]) -> int:
    return list(PLAYERS).index(pair[0].role)


def _sections(plan: SongPlan) -> list[Section]:
    sections, bar = [], 0
    for part in plan.parts:
        start = bar * plan.timing.beats_per_bar * plan.timing.beat
        sections.append(Section(name=part.name, start=round(start, 4), bars=part.bars))
        bar += part.bars
    return sections


def _name_apart(tracks: Sequence[Track]) -> None:
    """Players of one instrument are numbered: "Piano", "Piano 2"."""
    seen: Counter[str] = Counter()
    for track in tracks:
        seen[track.name] += 1
        if seen[track.name] > 1:
            track.name = f"{track.name} {seen[track.name]}"
