"""A sound font: which sample plays which note, and how.

Source: SoundFont Technical Specification 2.04, section 8.1.2 (generators) and 9.4 (their combination).
What moves while a note sounds (low-frequency oscillators, modulators) is left out: it makes little of the
sound of these fonts and all of the cost.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from tasks.engines.sketch.sound.riff import FontError, Records

# Generator numbers of the specification that the player obeys.
START, END, LOOP_START, LOOP_END, START_COARSE = 0, 1, 2, 3, 4
FILTER, RESONANCE, FILTER_BY_ENVELOPE, END_COARSE, PAN = 8, 9, 11, 12, 17
MOD_ATTACK, MOD_HOLD, MOD_DECAY, MOD_SUSTAIN = 26, 27, 28, 29
DELAY, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE, HOLD_BY_KEY, DECAY_BY_KEY = 33, 34, 35, 36, 37, 38, 39, 40
INSTRUMENT, KEYS, VELOCITIES, LOOP_START_COARSE, ATTENUATION, LOOP_END_COARSE = 41, 43, 44, 45, 48, 50
COARSE_TUNE, FINE_TUNE, SAMPLE, MODES, SCALE, EXCLUSIVE, ROOT = 51, 52, 53, 54, 56, 57, 58

DEFAULTS = {
    FILTER: 13_500, MOD_ATTACK: -12_000, MOD_HOLD: -12_000, MOD_DECAY: -12_000, DELAY: -12_000,
    ATTACK: -12_000, HOLD: -12_000, DECAY: -12_000, RELEASE: -12_000, SCALE: 100, ROOT: -1,
}  # fmt: skip
NOT_IN_PRESETS = {
    START, END, LOOP_START, LOOP_END, START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE,
    KEYS, VELOCITIES, INSTRUMENT, SAMPLE, MODES, EXCLUSIVE, ROOT,
}  # fmt: skip
EVERYTHING = (0, 127)
PERCUSSION_BANK = 128
ATTENUATION_SCALE = 0.4  # the chip the format was made for took 4 dB for 10; fonts are voiced for that
ROM, VORBIS = 0x8000, 0x10
PERIODS_OF_SHORT_LOOP, DETUNING_HEARD = 8, 0.15  # semitones
FRAMES_AT_ONCE = 65_536  # libsndfile crashes on long Vorbis in one call

Generators = dict[int, int]
Range = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Six stages in seconds; `sustain` is a level in dB below the peak."""

    delay: float
    attack: float
    hold: float
    decay: float
    sustain: float
    release: float


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The low-pass in Hz at its envelope's peak and where it settles, and how it gets there in seconds."""

    peak: float
    settled: float
    resonance: float  # dB
    attack: float
    hold: float
    decay: float


@dataclass(frozen=True, kw_only=True)
class Zone:
    """One sample of a preset with everything that shapes it. Frames count from the sample's own start."""

    sample: int
    keys: Range
    velocities: Range
    root: float  # key at which it sounds as recorded, corrections included
    semitones_per_key: float
    rate: int
    start: int
    end: int
    loop: tuple[int, int] | None
    gain: float
    pan: float  # -1..1
    sweep: Sweep
    envelope: Envelope
    hold_by_key: int  # timecents a key, below key 60 longer
    decay_by_key: int
    exclusive: int  # 0: none; others of the same number cut this one off

    def answers(self, key: int, velocity: int) -> bool:
        """Whether this zone sounds for that key and velocity."""
        return self.keys[0] <= key <= self.keys[1] and self.velocities[0] <= velocity <= self.velocities[1]

    def distance(self, key: int) -> int:
        """How many keys lie between `key` and this zone."""
        return max(self.keys[0] - key, key - self.keys[1], 0)


def _seconds(timecents: float) -> float:
    return float(2.0 ** (min(timecents, 8_000) / 1200)) if timecents > -12_000 else 0.0


def _hertz(cents: float) -> float:
    return float(8.176 * 2.0 ** (min(max(cents, 1_500), 13_500) / 1200))


def _range(amount: int) -> Range:
    return amount & 0xFF, (amount >> 8) & 0xFF


def default_font() -> Path:
    """The font inside pretty_midi's wheel, found without importing it."""
    spec = find_spec("pretty_midi")
    if spec is None or not spec.submodule_search_locations:
        raise FontError("no sound font: install pretty_midi or name a .sf2 or .sf3 by TUTTI_SOUNDFONT")
    return Path(spec.submodule_search_locations[0]) / "TimGM6mb.sf2"


class Font:
    """A General MIDI sound font, .sf2 or .sf3.

    Args:
        path: The file; it stays open and memory-mapped.

    Raises:
        FontError: The file is missing, damaged or without presets.
    """

    def __init__(self, path: Path) -> None:
        self._records = Records(path)
        presets = self._records.tables["phdr"]
        self._presets = {(int(p["bank"]), int(p["program"])): at for at, p in enumerate(presets[:-1])}
        if not self._presets:
            raise FontError(f"{path} holds no presets")
        self._zones: dict[tuple[int, int], list[Zone]] = {}
        self._decoded = lru_cache(maxsize=64)(self._decode)

    def preset(self, program: int, *, drums: bool = False) -> list[Zone]:
        """The zones of a program, or of the nearest one that the font has."""
        wanted = (PERCUSSION_BANK if drums else 0, program)
        if wanted not in self._zones:
            self._zones[wanted] = list(self._resolve(self._nearest(*wanted)))
        return self._zones[wanted]

    def _nearest(self, bank: int, program: int) -> int:
        for candidate in ((bank, program), (bank, program // 8 * 8), (bank, 0)):
            if candidate in self._presets:
                return self._presets[candidate]
        return min(self._presets.items())[1]

    def _resolve(self, preset: int) -> Iterator[Zone]:
        """Combine a preset's zones with those of its instruments."""
        for of_preset in self._layers("phdr", "pbag", "pgen", preset, INSTRUMENT):
            for of_instrument in self._layers("inst", "ibag", "igen", of_preset[INSTRUMENT], SAMPLE):
                zone = self._zone(of_instrument, of_preset)
                if zone is not None:
                    yield zone

    def _layers(self, heads: str, bags: str, generators: str, at: int, leaf: int) -> Iterator[Generators]:
        """The zones of one head; the first without a leaf is global and gives the others their defaults."""
        head, bag, generator = (self._records.tables[name] for name in (heads, bags, generators))
        shared: Generators = {}
        for number, index in enumerate(range(int(head["bags"][at]), int(head["bags"][at + 1]))):
            span = slice(int(bag["generators"][index]), int(bag["generators"][index + 1]))
            own = {int(g["operator"]): int(g["amount"]) for g in generator[span]}
            if leaf in own:
                yield shared | own
            elif number == 0:
                shared = own

    def _zone(self, own: Generators, preset: Generators) -> Zone | None:
        """One sounding zone, or None where the ranges do not meet or there is nothing to play."""
        ranges = [_meet(own.get(name), preset.get(name)) for name in (KEYS, VELOCITIES)]
        header: Any = self._records.tables["shdr"][own[SAMPLE]]
        if None in ranges or header["type"] & ROM or header["end"] <= header["start"]:
            return None
        keys, velocities = (r for r in ranges if r is not None)

        def value(name: int) -> int:
            added = 0 if name in NOT_IN_PRESETS else preset.get(name, 0)
            return own.get(name, DEFAULTS.get(name, 0)) + added

        start, end, loop = _frames(header, value)
        looped = bool(value(MODES) & 1) and loop[1] - loop[0] > 1
        key = value(ROOT) if 0 <= value(ROOT) <= 127 else min(int(header["key"]), 127)
        root = key - value(COARSE_TUNE) - (value(FINE_TUNE) + int(header["correction"])) / 100
        return Zone(
            sample=own[SAMPLE],
            keys=keys,
            velocities=velocities,
            root=root + (_loop_detuning(root, int(header["rate"]), loop) if looped else 0.0),
            semitones_per_key=value(SCALE) / 100,
            rate=int(header["rate"]),
            start=start,
            end=end,
            loop=loop if looped else None,
            gain=10 ** (-max(value(ATTENUATION), 0) * ATTENUATION_SCALE / 200),
            pan=min(max(value(PAN) / 500, -1.0), 1.0),
            sweep=_sweep(value),
            envelope=_envelope(value),
            hold_by_key=value(HOLD_BY_KEY),
            decay_by_key=value(DECAY_BY_KEY),
            exclusive=value(EXCLUSIVE),
        )

    def frames(self, zone: Zone) -> npt.NDArray[np.float32]:
        """A zone's sample from its start to its end as [frames] in -1..1."""
        header: Any = self._records.tables["shdr"][zone.sample]
        if header["type"] & VORBIS:
            return self._decoded(zone.sample)[zone.start : zone.end]
        first = int(header["start"])
        pcm = self._records.pcm(first + zone.start, first + zone.end)
        return pcm.astype(np.float32) * np.float32(1 / 32768)

    def _decode(self, sample: int) -> npt.NDArray[np.float32]:
        header: Any = self._records.tables["shdr"][sample]
        packed = self._records.packed(int(header["start"]), int(header["end"]))
        try:
            with soundfile.SoundFile(io.BytesIO(packed)) as ogg:
                blocks = list(ogg.blocks(FRAMES_AT_ONCE, dtype="float32", always_2d=True))
        except soundfile.LibsndfileError as error:
            raise FontError(f"sample {sample} of the sound font cannot be decoded: {error}") from error
        return np.concatenate([block[:, 0] for block in blocks]) if blocks else np.zeros(1, np.float32)


def _meet(own: int | None, preset: int | None) -> Range | None:
    first, second = (EVERYTHING if amount is None else _range(amount) for amount in (own, preset))
    low, high = max(first[0], second[0]), min(first[1], second[1])
    return (low, high) if low <= high else None


def _frames(header: Any, value: Any) -> tuple[int, int, Range]:
    """Start, end and loop of a sample, relative to its first frame, with the zone's offsets applied."""
    packed = bool(header["type"] & VORBIS)
    first = 0 if packed else int(header["start"])
    # An sf3 header's end is in bytes of its Ogg stream; the loop's positions are frames in both.
    length = 2**31 if packed else int(header["end"]) - first
    start = max(value(START) + 32_768 * value(START_COARSE), 0)
    end = length + value(END) + 32_768 * value(END_COARSE)
    low = int(header["loop_start"]) - first + value(LOOP_START) + 32_768 * value(LOOP_START_COARSE)
    high = int(header["loop_end"]) - first + value(LOOP_END) + 32_768 * value(LOOP_END_COARSE)
    end = min(end, length)
    low, high = max(low, start), min(high, end)
    return start, end, (low - start, high - start)


def _loop_detuning(root: float, rate: int, loop: Range) -> float:
    """Semitones by which a short loop sounds off the zone's root.

    A loop of a few periods and whole frames has a pitch of its own, up to a quarter tone off in old fonts.
    Small differences are left: they may be meant, as the beating of two layers.
    """
    hertz = 440 * 2 ** ((root - 69) / 12)
    periods = round(hertz * (loop[1] - loop[0]) / rate)
    if not 1 <= periods <= PERIODS_OF_SHORT_LOOP:
        return 0.0
    off = 12 * math.log2(rate * periods / (loop[1] - loop[0]) / hertz)
    return off if DETUNING_HEARD < abs(off) < 1 else 0.0


def _envelope(value: Any) -> Envelope:
    return Envelope(
        delay=_seconds(value(DELAY)),
        attack=_seconds(value(ATTACK)),
        hold=_seconds(value(HOLD)),
        decay=_seconds(value(DECAY)),
        sustain=min(max(value(SUSTAIN) / 10, 0.0), 144.0),
        release=_seconds(value(RELEASE)),
    )


def _sweep(value: Any) -> Sweep:
    level = 1 - min(max(value(MOD_SUSTAIN) / 1000, 0.0), 1.0)
    depth = value(FILTER_BY_ENVELOPE)
    return Sweep(
        peak=_hertz(value(FILTER) + depth),
        settled=_hertz(value(FILTER) + depth * level),
        resonance=min(max(value(RESONANCE) / 10, 0.0), 96.0),
        attack=_seconds(value(MOD_ATTACK)),
        hold=_seconds(value(MOD_HOLD)),
        decay=_seconds(value(MOD_DECAY)) * (1 - level),
    )
