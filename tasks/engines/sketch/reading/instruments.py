"""Instruments as prompts name them, the General MIDI program each becomes, and what it does best."""

# ruff: noqa: E501 - a table reads best with one row a line

from __future__ import annotations

from dataclasses import dataclass

from tasks.engines.sketch.genres import Role


@dataclass(frozen=True, slots=True)
class Instrument:
    """`roles` in the order of fitness; drums have none. `hints` is the genre it alone suggests."""

    name: str
    words: tuple[str, ...]
    program: int
    roles: tuple[Role, ...]
    low: int = 0
    high: int = 0
    hints: str = ""


_KEYS: tuple[Role, ...] = ("comp", "lead", "arp")
_WIND: tuple[Role, ...] = ("lead", "counter")
_PLUCK: tuple[Role, ...] = ("arp", "comp", "lead")

INSTRUMENTS = (
    Instrument("drums", ("drums", "drum", "drumming", "percussion", "beats", "drum kit", "drum set", "bass drum", "double bass drum", "kick drum", "鼓", "鼓点", "打击乐", "架子鼓"), 0, ()),
    Instrument("bass", ("bass", "bassline", "bass line", "bass guitar", "electric bass", "贝斯", "低音吉他"), 33, ("bass",)),
    Instrument("double bass", ("double bass", "upright bass", "contrabass", "acoustic bass", "低音提琴", "倍大提琴"), 32, ("bass",)),
    Instrument("slap bass", ("slap bass",), 36, ("bass",)),
    Instrument("synth bass", ("synth bass", "808", "808 bass", "sub bass", "合成贝斯"), 38, ("bass",)),
    Instrument("piano", ("piano", "grand piano", "钢琴"), 0, _KEYS, hints="piano solo"),
    Instrument("electric piano", ("electric piano", "rhodes", "wurlitzer", "keys", "电钢琴", "电钢"), 4, _KEYS),
    Instrument("harpsichord", ("harpsichord", "大键琴", "羽管键琴"), 6, _KEYS, hints="orchestral"),
    Instrument("celesta", ("celesta", "钢片琴"), 8, ("lead", "arp"), 72, 96),
    Instrument("music box", ("music box", "八音盒"), 10, ("lead", "arp"), 72, 96),
    Instrument("bells", ("glockenspiel", "bells", "钟琴", "铃"), 9, ("arp", "lead"), 76, 98),
    Instrument("vibraphone", ("vibraphone", "vibes", "颤音琴"), 11, ("lead", "comp", "arp"), 60, 84),
    Instrument("marimba", ("marimba", "马林巴"), 12, ("arp", "lead"), 55, 79),
    Instrument("xylophone", ("xylophone", "木琴"), 13, ("lead", "arp"), 67, 91),
    Instrument("yangqin", ("yangqin", "dulcimer", "扬琴"), 15, ("arp", "counter", "lead"), hints="Chinese pentatonic"),
    Instrument("organ", ("organ", "hammond", "church organ", "管风琴", "风琴"), 16, ("comp", "pad", "lead")),
    Instrument("accordion", ("accordion", "手风琴"), 21, ("lead", "comp")),
    Instrument("harmonica", ("harmonica", "口琴"), 22, _WIND, 60, 82),
    Instrument("nylon guitar", ("nylon guitar", "classical guitar", "spanish guitar", "古典吉他", "尼龙吉他"), 24, _PLUCK),
    Instrument("acoustic guitar", ("acoustic guitar", "fingerpicking", "fingerstyle", "steel guitar", "木吉他", "民谣吉他"), 25, _PLUCK, hints="folk"),
    Instrument("guitar", ("guitar", "吉他"), 25, _PLUCK, hints="folk"),
    Instrument("jazz guitar", ("jazz guitar", "爵士吉他"), 26, ("lead", "comp"), hints="jazz trio"),
    Instrument("electric guitar", ("electric guitar", "clean guitar", "电吉他"), 27, ("comp", "lead", "arp"), hints="rock"),
    Instrument("distorted guitar", ("distorted guitar", "distortion guitar", "heavy guitar", "guitar riffs", "overdriven guitar", "失真吉他"), 30, ("comp", "lead"), hints="rock"),
    Instrument("violin", ("violin", "小提琴"), 40, ("lead", "counter"), 60, 88, hints="orchestral"),
    Instrument("viola", ("viola", "中提琴"), 41, ("counter", "lead"), 52, 76),
    Instrument("cello", ("cello", "大提琴"), 42, ("lead", "counter", "bass"), 43, 67),
    Instrument("pizzicato", ("pizzicato", "拨奏"), 45, ("arp", "comp"), 55, 79),
    Instrument("harp", ("harp", "竖琴"), 46, ("arp", "lead"), 55, 84),
    Instrument("strings", ("strings", "string section", "string ensemble", "弦乐", "弦乐组"), 48, ("pad", "lead", "counter"), hints="orchestral"),
    Instrument("choir", ("choir", "vocal pad", "合唱", "合唱团", "人声合唱"), 52, ("pad", "counter"), 53, 74),
    Instrument("trumpet", ("trumpet", "小号"), 56, _WIND, 58, 80),
    Instrument("muted trumpet", ("muted trumpet", "弱音小号"), 59, _WIND, 58, 80),
    Instrument("trombone", ("trombone", "长号"), 57, ("counter", "lead"), 45, 66),
    Instrument("tuba", ("tuba", "大号"), 58, ("bass",), 31, 50),
    Instrument("french horn", ("french horn", "horn", "圆号", "法国号"), 60, ("lead", "counter"), 50, 74),
    Instrument("brass", ("brass", "horns", "horn section", "铜管"), 61, ("counter", "comp", "lead")),
    Instrument("saxophone", ("saxophone", "sax", "tenor sax", "alto sax", "萨克斯", "萨克斯风"), 66, _WIND, 54, 77),
    Instrument("oboe", ("oboe", "双簧管"), 68, _WIND, 62, 84),
    Instrument("bassoon", ("bassoon", "巴松", "大管"), 70, ("counter", "bass"), 43, 65),
    Instrument("clarinet", ("clarinet", "单簧管", "黑管"), 71, _WIND, 55, 82),
    Instrument("flute", ("flute", "长笛"), 73, _WIND, 65, 89),
    Instrument("recorder", ("recorder", "竖笛"), 74, _WIND, 67, 88),
    Instrument("pan flute", ("pan flute", "panpipes", "排箫"), 75, _WIND, 65, 86),
    Instrument("shakuhachi", ("shakuhachi", "xiao", "箫", "尺八", "洞箫"), 77, _WIND, 62, 82),
    Instrument("dizi", ("dizi", "bamboo flute", "笛子", "竹笛", "笛"), 73, _WIND, 67, 89, hints="Chinese pentatonic"),
    Instrument("synth", ("synth", "synthesizer", "synths", "synth lead", "合成器"), 81, ("lead", "arp", "pad"), hints="synthwave"),
    Instrument("pads", ("pad", "pads", "synth pad", "铺底"), 89, ("pad",), hints="ambient"),
    Instrument("sitar", ("sitar", "西塔琴"), 104, ("lead", "arp"), 55, 79),
    Instrument("banjo", ("banjo", "班卓琴"), 105, ("arp", "lead"), 55, 76, hints="country"),
    Instrument("pipa", ("pipa", "琵琶", "shamisen", "三味线", "阮"), 106, ("arp", "lead", "counter"), 55, 81, hints="Chinese pentatonic"),
    Instrument("guzheng", ("guzheng", "koto", "guqin", "古筝", "古琴", "筝"), 107, ("arp", "lead"), 50, 81, hints="Chinese pentatonic"),
    Instrument("kalimba", ("kalimba", "拇指琴", "卡林巴"), 108, ("lead", "arp"), 64, 86),
    Instrument("bagpipes", ("bagpipes", "bagpipe", "风笛"), 109, ("lead",), 62, 79, hints="folk"),
    Instrument("fiddle", ("fiddle",), 110, _WIND, 60, 86, hints="country"),
    Instrument("erhu", ("erhu", "二胡", "胡琴"), 110, _WIND, 60, 84, hints="Chinese pentatonic"),
    Instrument("suona", ("suona", "唢呐"), 111, ("lead",), 62, 82, hints="Chinese pentatonic"),
    Instrument("steel drums", ("steel drums", "steel drum", "steelpan", "钢鼓"), 114, ("lead", "arp"), 60, 82),
    Instrument("ukulele", ("ukulele", "尤克里里"), 24, ("comp", "arp"), 60, 79, hints="folk"),
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
