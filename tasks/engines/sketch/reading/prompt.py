"""From a request to what it asks of the music."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from tasks.engines.sketch.reading.clauses import denied, holds
from tasks.engines.sketch.reading.keys import SIGNS, KeyWish, read_key
from tasks.engines.sketch.reading.lyrics import Sung, read_form
from tasks.engines.sketch.reading.vocabulary import Kind, Mention, mentions
from tasks.engines.sketch.reading.words import SPEEDS, TEMPI
from tasks.engines.sketch.theory import MODES, pitch_class
from tasks.jobs import JobRequest

# These only colour another genre's name: "acoustic rock" is rock.
WEAK_GENRES = frozenset(
    {
        "acoustic",
        "electronic",
        "dance",
        "classical",
        "pop",
        "indie",
        "alternative",
        "atmospheric",
        "movie",
        "epic",
    }
    | {
        "80s",
        "1980s",
        "groovy",
        "swing",
        "western",
        "brazilian",
        "china",
        "oriental",
        "dub",
        "sleep",
        "soundtrack",
    }
    | {"电子", "流行", "古典", "电影", "中国", "睡眠", "舞曲"}
)
BPM = re.compile(
    r"(?P<a>\d{2,3}(?:\.\d+)?)\s*(?:(?:-|–|~|to|到|至)\s*(?P<b>\d{2,3}))?\s*(?:bpm|beats per minute|拍每分钟)"
    r"|(?:bpm|tempo|速度|每分钟)\s*(?:of|is|at|[:=：为])?\s*(?:around|about|约)?\s*(?P<c>\d{2,3}(?:\.\d+)?)"
    r"|(?:[♩=]\s*=?\s*|\bat )(?P<d>\d{2,3})(?=\s*(?:$|[,.;，。]))"
)
METRE = re.compile(r"(?<![\d/])(2/4|3/4|4/4|6/8)(?![\d/])")
BESIDE = re.compile(r"^[\s,]*(?:a|an|the|one|的|是)?\s*$")
BPM_LOW, BPM_HIGH = 30.0, 300.0


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What was asked for; None and empty mean that it was left open. Explicit fields have won already."""

    genre: str | None = None
    bpm: float | None = None  # to be kept exactly
    tempo: float | None = None  # from a tempo word, about
    speed: float = 1.0  # bends the genre's tempo
    tonic: int | None = None
    mode: str | None = None  # a name in theory.MODES
    metre: str | None = None
    moods: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()  # instruments' names
    unwanted: frozenset[str] = frozenset()
    unlike: frozenset[str] = frozenset()  # genres
    alone: bool = False  # the wanted instruments and nobody else
    form: tuple[Sung, ...] = ()
    chinese: bool = False

    @property
    def drums(self) -> bool | None:
        """Whether drums are wanted; None where nothing was said."""
        if "drums" in self.unwanted:
            return False
        return True if "drums" in self.wanted else None


def read(request: JobRequest) -> Wish:
    """What a request asks for, from its prompt, its lyrics' tags and its explicit fields."""
    original = unicodedata.normalize("NFKC", request.prompt).replace("’", "'")
    text = original.casefold()
    spans = denied(text)
    said = [(mention, holds(spans, mention.start, mention.end, text)) for mention in mentions(text)]
    wanted = _unique(_values(said, "instrument", refused=False))
    key = _merge_keys(read_key(original), request.key_scale)
    return Wish(
        genre=_genre(said, text),
        bpm=request.bpm or _bpm(text),
        tempo=next((float(TEMPI[word]) for word in _values(said, "tempo", refused=False)), None),
        speed=_speed(said),
        tonic=key.tonic,
        mode=key.mode,
        metre=request.time_signature or _metre(text, said),
        moods=_unique(_values(said, "mood", refused=False)),
        wanted=wanted,
        unwanted=frozenset(_values(said, "instrument", refused=True)) - set(wanted),
        unlike=frozenset(_values(said, "genre", refused=True)),
        alone=_alone(said, text),
        form=read_form(request.lyrics),
        chinese=any("一" <= character <= "鿿" for character in text),
    )


def _values(said: list[tuple[Mention, bool]], kind: Kind, *, refused: bool) -> list[str]:
    return [mention.value for mention, no in said if mention.kind == kind and no == refused]


def _unique(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _genre(said: list[tuple[Mention, bool]], text: str) -> str | None:
    found = [mention for mention, no in said if mention.kind == "genre" and not no]
    strong = [mention for mention in found if text[mention.start : mention.end] not in WEAK_GENRES]
    return next((mention.value for mention in (*strong, *found)), None)


def _bpm(text: str) -> float | None:
    for match in BPM.finditer(text):
        first = float(match["a"] or match["c"] or match["d"])
        bpm = (first + float(match["b"])) / 2 if match["b"] else first
        if BPM_LOW <= bpm <= BPM_HIGH:
            return bpm
    return None


def _speed(said: list[tuple[Mention, bool]]) -> float:
    """The product would exaggerate "slow, very slow"; the strongest word counts. Denied ones pull back."""
    wanted = [SPEEDS[word] for word in _values(said, "speed", refused=False)]
    if wanted:
        return max(wanted, key=lambda factor: abs(factor - 1.0))
    refused = [SPEEDS[word] for word in _values(said, "speed", refused=True)]
    if any(factor > 1 for factor in refused) and any(factor < 1 for factor in refused):
        return 1.0
    return next((0.94 if factor > 1 else 1.06 for factor in refused), 1.0)


def _metre(text: str, said: list[tuple[Mention, bool]]) -> str | None:
    written = METRE.search(text)
    return written.group(1) if written else next(iter(_values(said, "metre", refused=False)), None)


def _alone(said: list[tuple[Mention, bool]], text: str) -> bool:
    """Whether "solo", "only" or their like stands beside a wanted instrument.

    A solo that someone takes ("with a guitar solo") leaves the others in.
    """
    instruments = [mention for mention, no in said if mention.kind == "instrument" and not no]
    for word in (mention for mention, no in said if mention.kind == "alone" and not no):
        if text[: word.start].endswith("not "):
            continue
        for instrument in instruments:
            if instrument.start >= word.end and BESIDE.match(text[word.end : instrument.start]):
                return True
            behind = word.start >= instrument.end and BESIDE.match(text[instrument.end : word.start])
            if behind and not (
                word.value == "solo" and re.search(r"\b(?:a|an|with|and|then)\b", text[: instrument.start])
            ):
                return True
    return False


def _merge_keys(said: KeyWish, field: str | None) -> KeyWish:
    """The field's key; a mode of the same family said in the prompt is kept ("D minor", "dorian")."""
    if field is None:
        return said
    note, _, family = field.partition(" ")
    tonic = pitch_class(note[0], SIGNS.get(note[1:].casefold(), ""))
    family = family.casefold()
    if family and (said.mode is None or MODES[said.mode].family != family):
        return KeyWish(tonic, family)
    return KeyWish(tonic, said.mode)
