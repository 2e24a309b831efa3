"""One track of the score as sound: every note of it, at its place, its level and its side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from tasks.audio.loudness import RELATIVE_GATE, k_weighting
from tasks.engines.sketch.music.score import Note, Track
from tasks.engines.sketch.sound.font import Font, Zone
from tasks.engines.sketch.sound.tone import RATE, Mono, Tone, make

Stereo = npt.NDArray[np.float32]
Done = Callable[[float], None]
"""Called often with the share done of one piece of work; what it raises stops the work."""

WINDOW = 8192  # frames of which the stem's power is measured at a time
REFERENCE = -20.0  # LUFS of a stem whose balance is 0 dB
HELD_MAX = 60 * RATE  # nobody holds a note longer; the tone would fill the memory
OFTEN = 256  # notes or windows between two reports
DRUM_HELD = 4 * RATE  # a drum sounds to its end, whatever its note's length


@dataclass(frozen=True, slots=True)
class Strike:
    """One note on one zone, in frames."""

    at: int
    held: int
    gain: float
    cut: bool  # silenced by another of its exclusive class


def render(font: Font, track: Track, stem: Stereo, done: Done) -> None:
    """Play a track into `stem`, [2, frames] of silence."""
    played = 0
    done(0.0)
    for (zone, key), strikes in _by_tone(font, track, stem.shape[1]).items():
        tone = make(font, zone, key, max(strike.held for strike in strikes))
        left, right = _sides(zone.pan + track.pan)
        for strike in strikes:
            _add(stem, tone, strike, left * zone.gain, right * zone.gain)
            played += 1
            if played % OFTEN == 0:
                done(min(played / len(track.notes), 1.0))  # a note may sound on several zones
        done(min(played / len(track.notes), 1.0))


def _by_tone(font: Font, track: Track, frames: int) -> dict[tuple[Zone, int], list[Strike]]:
    """The track's notes by the tone that they are cut from."""
    zones = font.preset(track.program, drums=track.drums)
    ends = _exclusive_ends(zones, track.notes)
    tones: dict[tuple[Zone, int], list[Strike]] = defaultdict(list)
    for number, note in enumerate(track.notes):
        at, natural = round(note.start * RATE), round((note.end - note.start) * RATE)
        held = min(DRUM_HELD if track.drums else max(natural, 1), HELD_MAX, frames - at)
        until = ends.get(number)
        cut = until is not None and until - at < held
        if cut and until is not None:
            held = until - at
        if at >= 0 and held > 0:
            for zone in _answering(zones, note):
                tones[zone, note.pitch].append(Strike(at, held, (note.velocity / 127) ** 2, cut))
    return tones


def _answering(zones: list[Zone], note: Note) -> list[Zone]:
    """The zones of a note; where the font leaves a gap, those nearest to its key."""
    exact = [zone for zone in zones if zone.answers(note.pitch, note.velocity)]
    if exact or not zones:
        return exact
    near = min(zone.distance(note.pitch) for zone in zones)
    return [zone for zone in zones if zone.distance(note.pitch) == near][:1]


def _exclusive_ends(zones: list[Zone], notes: list[Note]) -> dict[int, int]:
    """The frame at which a note is silenced by the next of its exclusive class, by the note's number."""
    choking = [zone for zone in zones if zone.exclusive]
    classes = {key: zone.exclusive for zone in choking for key in range(zone.keys[0], zone.keys[1] + 1)}
    ends: dict[int, int] = {}
    sounding: dict[int, int] = {}
    for number in sorted(range(len(notes)), key=lambda n: notes[n].start):
        group = classes.get(notes[number].pitch)
        if group is not None:
            if group in sounding:
                ends[sounding[group]] = round(notes[number].start * RATE)
            sounding[group] = number
    return ends


def _sides(pan: float) -> tuple[float, float]:
    """Gains of left and right, of constant power, 1 in the middle."""
    angle = (min(max(pan, -1.0), 1.0) + 1) * np.pi / 4
    return float(np.cos(angle) * np.sqrt(2)), float(np.sin(angle) * np.sqrt(2))


def _add(stem: Stereo, tone: Tone, strike: Strike, left: float, right: float) -> None:
    at = strike.at
    for whole in tone.note(strike.held, cut=strike.cut):
        part = whole[: stem.shape[1] - at]
        for side, gain in zip(stem, (left, right), strict=True):
            if gain > 1e-4:
                side[at : at + len(part)] += part * np.float32(gain * strike.gain)
        at += len(part)


def balance(stem: Stereo, decibels: float, done: Done) -> float:
    """The gain that brings the parts where `stem` sounds to so many dB relative to the lead."""
    found = []
    for number, at in enumerate(range(0, stem.shape[1], WINDOW)):
        found.append(_power(stem[:, at : at + WINDOW]))
        if number % OFTEN == 0:
            done(at / stem.shape[1])
    powers = np.array(found)
    sounding = powers[powers > 1e-9]
    if not len(sounding):
        return 1.0
    sounding = sounding[sounding >= sounding.mean() * 10 ** (RELATIVE_GATE / 10)]
    return float(10 ** ((REFERENCE + decibels) / 20) / np.sqrt(sounding.mean()))


def _power(window: Stereo) -> float:
    """K-weighted power of both sides, from one transform: they are its real and imaginary part."""
    if not window.any():
        return 0.0
    sides = np.zeros(WINDOW, np.complex64)
    sides.real[: window.shape[1]], sides.imag[: window.shape[1]] = window[0], window[1]
    spectrum = fft.fft(sides, workers=1)
    energy = np.square(spectrum.real) + np.square(spectrum.imag)
    return float((energy * K_CURVE).sum()) / WINDOW**2


def _k_curve() -> Mono:
    """Power gain of the K filter at each of the transform's frequencies."""
    turn = np.exp(-2j * np.pi * np.arange(WINDOW) / WINDOW)
    gain = np.ones(WINDOW, np.complex128)
    for b0, b1, b2, a0, a1, a2 in k_weighting(RATE):
        gain *= (b0 + b1 * turn + b2 * turn**2) / (a0 + a1 * turn + a2 * turn**2)
    return (np.abs(gain) ** 2).astype(np.float32)


K_CURVE = _k_curve()
