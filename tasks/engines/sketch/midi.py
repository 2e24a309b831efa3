"""The score as a standard MIDI file.

The tempo is the score's, so that a sequencer's grid fits; the notes keep their swing and human spread, to
within half a tick (under 1 ms).
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator

import mido

from tasks.engines.sketch.music.score import Score, Track

TICKS = 960  # a quarter
DRUM_CHANNEL = 9
CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)
VOLUME, PAN, REVERB = 7, 10, 91
LOUDEST_VOLUME = 104  # of a track at 0 dB


def to_midi(score: Score) -> bytes:
    """A type 1 file: a track of tempo, metre, key and sections, then one a player; drums on channel 10."""
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    file.tracks.append(_conductor(score))
    free = iter(CHANNELS * (len(score.tracks) // len(CHANNELS) + 1))
    for track in score.tracks:
        channel = DRUM_CHANNEL if track.drums else next(free)
        file.tracks.append(_player(score, track, channel))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def quarters_a_minute(score: Score) -> float:
    """MIDI's tempo counts quarters; in 6/8 a beat is one and a half."""
    return score.bpm * (1.5 if score.time_signature == "6/8" else 1.0)


def _ticks(score: Score, seconds: float) -> int:
    tempo = round(60e6 / quarters_a_minute(score))  # what the file can say: whole microseconds
    return round(seconds * 1e6 / tempo * TICKS)


def _conductor(score: Score) -> mido.MidiTrack:
    over, under = (int(part) for part in score.time_signature.split("/"))
    tonic, _, family = score.key.partition(" ")
    events: list[tuple[int, mido.MetaMessage]] = [
        (0, mido.MetaMessage("track_name", name=_latin(score.title))),
        (0, mido.MetaMessage("set_tempo", tempo=round(60e6 / quarters_a_minute(score)))),
        (0, mido.MetaMessage("time_signature", numerator=over, denominator=under)),
        (0, mido.MetaMessage("key_signature", key=tonic + "m" * (family == "minor"))),
    ]
    events.extend(
        (_ticks(score, section.start), mido.MetaMessage("marker", text=section.name))
        for section in score.sections
    )
    return _in_order(events, _ticks(score, score.seconds))


def _player(score: Score, track: Track, channel: int) -> mido.MidiTrack:
    volume = round(LOUDEST_VOLUME * 10 ** (min(track.loudness, 1.5) / 40))  # volume is squared by players
    events = [
        (0, mido.MetaMessage("track_name", name=_latin(track.name))),
        (0, mido.Message("program_change", channel=channel, program=track.program)),
        (0, mido.Message("control_change", channel=channel, control=VOLUME, value=min(volume, 127))),
        (0, mido.Message("control_change", channel=channel, control=PAN, value=_pan(track.pan))),
        (0, mido.Message("control_change", channel=channel, control=REVERB, value=round(127 * track.room))),
        *_notes(score, track, channel),
    ]
    return _in_order(events, _ticks(score, score.seconds))


def _notes(score: Score, track: Track, channel: int) -> Iterator[tuple[int, mido.Message]]:
    for note in track.notes:
        start, end = _ticks(score, note.start), _ticks(score, note.end)
        on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
        yield start, on
        yield max(end, start + 1), mido.Message("note_off", channel=channel, note=note.pitch, velocity=0)


def _in_order(events: list[tuple[int, mido.Message]], end: int) -> mido.MidiTrack:
    """Delta times; at one tick what ends comes before what begins."""
    out = mido.MidiTrack()
    now = 0
    rank = {"note_off": 1, "note_on": 2}
    for tick, message in sorted(events, key=lambda event: (event[0], rank.get(event[1].type, 0))):
        out.append(message.copy(time=tick - now))
        now = tick
    out.append(mido.MetaMessage("end_of_track", time=max(0, end - now)))
    return out


def _pan(pan: float) -> int:
    return min(127, max(0, math.floor(64 + 63 * pan + 0.5)))


def _latin(text: str) -> str:
    """MIDI's text is Latin-1 by custom; other scripts are written in UTF-8's bytes, as sequencers read it."""
    return text.encode().decode("latin-1")
