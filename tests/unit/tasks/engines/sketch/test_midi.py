from __future__ import annotations

import io

import mido
import pytest

from tasks.engines.sketch.compose import compose
from tasks.engines.sketch.midi import to_midi
from tasks.engines.sketch.music.score import Score
from tasks.jobs import JobRequest

PROMPTS = [
    "jazz trio in F# minor",
    "waltz in Bb major",
    "folk tune in 6/8, 71 bpm",
    "metal, 187 bpm",
    "古风的音乐",
    "march in Db major",
]


def made(prompt: str, seconds: float = 45) -> tuple[Score, mido.MidiFile]:
    score = compose(JobRequest(prompt=prompt, duration=seconds), 2)
    return score, mido.MidiFile(file=io.BytesIO(to_midi(score)))


def seconds_of(file: mido.MidiFile, track: mido.MidiTrack) -> list[tuple[float, mido.Message]]:
    tempo = next(message.tempo for message in file.tracks[0] if message.type == "set_tempo")
    ticks, found = 0, []
    for message in track:
        ticks += message.time
        found.append((mido.tick2second(ticks, file.ticks_per_beat, tempo), message))
    return found


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_note_is_in_the_file_at_its_time(prompt: str) -> None:
    score, file = made(prompt, 120)
    assert len(file.tracks) == len(score.tracks) + 1
    for track, written in zip(score.tracks, file.tracks[1:], strict=True):
        sounding: dict[int, tuple[float, int]] = {}
        read = []
        for at, message in seconds_of(file, written):
            if message.type == "note_on":
                assert message.note not in sounding
                sounding[message.note] = (at, message.velocity)
            elif message.type == "note_off":
                start, velocity = sounding.pop(message.note)
                read.append((start, at, message.note, velocity))
        read.sort(key=lambda note: (note[0], note[2]))
        wanted = sorted(track.notes, key=lambda note: (round(note.start, 3), note.pitch))
        read.sort(key=lambda note: (round(note[0], 3), note[2]))
        assert len(read) == len(track.notes)
        by_pitch = lambda notes, pitch: [n for n in notes if n[2] == pitch]  # noqa: E731
        plain = [(note.start, note.end, note.pitch, note.velocity) for note in wanted]
        for pitch in {note.pitch for note in track.notes}:
            for a, b in zip(sorted(by_pitch(plain, pitch)), sorted(by_pitch(read, pitch)), strict=True):
                assert a[0] == pytest.approx(b[0], abs=0.0015)
                assert a[1] == pytest.approx(b[1], abs=0.0025)
                assert a[3] == b[3]


@pytest.mark.parametrize(
    ("prompt", "key", "metre", "quarters"),
    [
        ("jazz in F# minor, 4/4, 120 bpm", "F#m", (4, 4), 120),
        ("waltz in Bb major, 150 bpm", "Bb", (3, 4), 150),
        ("folk in 6/8, G minor, 60 bpm", "Gm", (6, 8), 90),
        ("march in Db major, 110 bpm", "Db", (2, 4), 110),
    ],
)
def test_tempo_metre_and_key_are_written(
    prompt: str, key: str, metre: tuple[int, int], quarters: float
) -> None:
    _, file = made(prompt)
    head = {message.type: message for message in file.tracks[0]}
    assert head["key_signature"].key == key
    assert (head["time_signature"].numerator, head["time_signature"].denominator) == metre
    assert mido.tempo2bpm(head["set_tempo"].tempo) == pytest.approx(quarters, rel=1e-5)


def test_bar_lines_fall_where_the_sections_begin() -> None:
    score, file = made("folk in 6/8, G minor, 60 bpm", 90)
    bar = file.ticks_per_beat * 3  # six eighths
    ticks, markers = 0, []
    for message in file.tracks[0]:
        ticks += message.time
        if message.type == "marker":
            markers.append((message.text, ticks))
    assert [name for name, _ in markers] == [section.name for section in score.sections]
    assert all(tick % bar <= 1 or bar - tick % bar <= 1 for _, tick in markers)


def test_drums_are_on_channel_ten_and_nobody_else_is() -> None:
    score, file = made("rock music")
    for track, written in zip(score.tracks, file.tracks[1:], strict=True):
        channels = {message.channel for message in written if not message.is_meta}
        assert channels == {9} if track.drums else 9 not in channels
        assert next(m.program for m in written if m.type == "program_change") == track.program


def test_the_file_lasts_as_long_as_the_song() -> None:
    score, file = made("rock music", 61.7)
    assert file.length == pytest.approx(score.seconds, abs=0.002)


def test_a_chinese_title_survives() -> None:
    score, file = made("中国风的音乐")
    name = next(message.name for message in file.tracks[0] if message.type == "track_name")
    assert name.encode("latin-1").decode() == score.title
