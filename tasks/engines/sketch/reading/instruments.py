"""The instruments that can be asked for: the General MIDI program each becomes, and what it does best.

The words for each are in `languages/`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.engines.sketch.genres import Role


@dataclass(frozen=True, slots=True)
class Instrument:
    """`roles` in the order of fitness; drums have none. `hints` is the genre it alone suggests."""

    name: str
    program: int
    roles: tuple[Role, ...]
    low: int = 0
    high: int = 0
    hints: str = ""


_KEYS: tuple[Role, ...] = ("comp", "lead", "arp")
_WIND: tuple[Role, ...] = ("lead", "counter")
_PLUCK: tuple[Role, ...] = ("arp", "comp", "lead")

INSTRUMENTS = (
    Instrument("drums", 0, ()),
    Instrument("bass", 33, ("bass",)),
    Instrument("double bass", 32, ("bass",)),
    Instrument("slap bass", 36, ("bass",)),
    Instrument("synth bass", 38, ("bass",)),
    Instrument("piano", 0, _KEYS, hints="piano solo"),
    Instrument("electric piano", 4, _KEYS),
    Instrument("harpsichord", 6, _KEYS, hints="orchestral"),
    Instrument("celesta", 8, ("lead", "arp"), 72, 96),
    Instrument("music box", 10, ("lead", "arp"), 72, 96),
    Instrument("bells", 9, ("arp", "lead"), 76, 98),
    Instrument("vibraphone", 11, ("lead", "comp", "arp"), 60, 84),
    Instrument("marimba", 12, ("arp", "lead"), 55, 79),
    Instrument("xylophone", 13, ("lead", "arp"), 67, 91),
    Instrument("yangqin", 15, ("arp", "counter", "lead"), hints="Chinese pentatonic"),
    Instrument("organ", 16, ("comp", "pad", "lead")),
    Instrument("accordion", 21, ("lead", "comp")),
    Instrument("harmonica", 22, _WIND, 60, 82),
    Instrument("nylon guitar", 24, _PLUCK),
    Instrument("acoustic guitar", 25, _PLUCK, hints="folk"),
    Instrument("guitar", 25, _PLUCK, hints="folk"),
    Instrument("jazz guitar", 26, ("lead", "comp"), hints="jazz trio"),
    Instrument("electric guitar", 27, ("comp", "lead", "arp"), hints="rock"),
    Instrument("distorted guitar", 30, ("comp", "lead"), hints="rock"),
    Instrument("violin", 40, ("lead", "counter"), 60, 88, hints="orchestral"),
    Instrument("viola", 41, ("counter", "lead"), 52, 76),
    Instrument("cello", 42, ("lead", "counter", "bass"), 43, 67),
    Instrument("pizzicato", 45, ("arp", "comp"), 55, 79),
    Instrument("harp", 46, ("arp", "lead"), 55, 84),
    Instrument("strings", 48, ("pad", "lead", "counter"), hints="orchestral"),
    Instrument("choir", 52, ("pad", "counter"), 53, 74),
    Instrument("trumpet", 56, _WIND, 58, 80),
    Instrument("muted trumpet", 59, _WIND, 58, 80),
    Instrument("trombone", 57, ("counter", "lead"), 45, 66),
    Instrument("tuba", 58, ("bass",), 31, 50),
    Instrument("french horn", 60, ("lead", "counter"), 50, 74),
    Instrument("brass", 61, ("counter", "comp", "lead")),
    Instrument("saxophone", 66, _WIND, 54, 77),
    Instrument("oboe", 68, _WIND, 62, 84),
    Instrument("bassoon", 70, ("counter", "bass"), 43, 65),
    Instrument("clarinet", 71, _WIND, 55, 82),
    Instrument("flute", 73, _WIND, 65, 89),
    Instrument("recorder", 74, _WIND, 67, 88),
    Instrument("pan flute", 75, _WIND, 65, 86),
    Instrument("shakuhachi", 77, _WIND, 62, 82),
    Instrument("dizi", 73, _WIND, 67, 89, hints="Chinese pentatonic"),
    Instrument("synth", 81, ("lead", "arp", "pad"), hints="synthwave"),
    Instrument("pads", 89, ("pad",), hints="ambient"),
    Instrument("sitar", 104, ("lead", "arp"), 55, 79),
    Instrument("banjo", 105, ("arp", "lead"), 55, 76, hints="country"),
    Instrument("pipa", 106, ("arp", "lead", "counter"), 55, 81, hints="Chinese pentatonic"),
    Instrument("guzheng", 107, ("arp", "lead"), 50, 81, hints="Chinese pentatonic"),
    Instrument("kalimba", 108, ("lead", "arp"), 64, 86),
    Instrument("bagpipes", 109, ("lead",), 62, 79, hints="folk"),
    Instrument("fiddle", 110, _WIND, 60, 86, hints="country"),
    Instrument("erhu", 110, _WIND, 60, 84, hints="Chinese pentatonic"),
    Instrument("suona", 111, ("lead",), 62, 82, hints="Chinese pentatonic"),
    Instrument("steel drums", 114, ("lead", "arp"), 60, 82),
    Instrument("ukulele", 24, ("comp", "arp"), 60, 79, hints="folk"),
)  # fmt: skip

BY_NAME = {instrument.name: instrument for instrument in INSTRUMENTS}

# What "no guitar" means: every program of the family, not one.
FAMILIES: dict[str, frozenset[int]] = {
    "piano": frozenset({0, 1, 2, 3}),
    "electric piano": frozenset({4, 5}),
    "organ": frozenset(range(16, 21)),
    "guitar": frozenset(range(24, 32)),
    "acoustic guitar": frozenset({24, 25}),
    "electric guitar": frozenset(range(26, 32)),
    "distorted guitar": frozenset({29, 30}),
    "strings": frozenset(range(40, 52)) - {46, 47},
    "violin": frozenset({40, 110}),
    "brass": frozenset(range(56, 64)),
    "saxophone": frozenset(range(64, 68)),
    "flute": frozenset({72, 73, 74, 75}),
    "synth": frozenset(range(80, 96)) | {38, 39, 50, 51, 62, 63},
    "pads": frozenset(range(88, 96)),
    "choir": frozenset({52, 53, 54}),
    "bells": frozenset({8, 9, 10, 14}),
}


def family(name: str) -> frozenset[int]:
    """The programs an instrument's name stands for when it is refused."""
    return FAMILIES.get(name, frozenset({BY_NAME[name].program}))
