"""From a request to what it asks of the music."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.engines.sketch.music.theory import MODES, pitch_class
from tasks.engines.sketch.reading.denial import Denials
from tasks.engines.sketch.reading.keys import SIGNS, KeyWish, keys
from tasks.engines.sketch.reading.lyrics import Sung, read_form
from tasks.engines.sketch.reading.mention import Kind, Mention
from tasks.engines.sketch.reading.tempi import tempi
from tasks.engines.sketch.reading.vocabulary import KANA, mentions, nothing, scan, weak_genres
from tasks.jobs import JobRequest

METRE = re.compile(r"(?<![\d/])(2/4|3/4|4/4|6/8|12/8|2/2|3/8)(?![\d/])")
SAME_BEAT = {"12/8": "6/8", "2/2": "2/4", "3/8": "3/4"}  # metres that are played as another of the four
BESIDE = re.compile(r"^[\s,]*(?:a|an|the|one|的|是)?\s*$")


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
    said = _Said(original)
    wanted = _unique(said.wanted("instrument"))
    genre = said.genre()
    key = _merge_keys(said.key(), request.key_scale)
    return Wish(
        genre=genre,
        bpm=request.bpm or said.bpm(),
        tempo=next((float(tempo) for tempo in said.wanted("tempo")), None),
        speed=_speed(said),
        tonic=key.tonic,
        mode=key.mode,
        metre=request.time_signature or next(iter(said.wanted("metre")), None),
        moods=_unique(said.wanted("mood")),
        wanted=wanted,
        unwanted=frozenset((*said.refused("instrument"), *said.refused("refused"))) - set(wanted),
        unlike=frozenset(said.refused("genre")) - {genre or ""},
        alone=_alone(said),
        form=read_form(request.lyrics),
        chinese=_is_chinese(original),
    )


class _Said:
    """All that a prompt says, and whether it asks for it."""

    def __init__(self, original: str) -> None:
        self.text = _fold(original)
        numbers, named = tempi(self.text), _outside(keys(original), _silent(self.text))
        # 一百零三拍 is a tempo and holds no 三拍; "3/4" written is clearer than any word for a metre.
        words = [m for m in mentions(self.text) if m.kind != "metre" or not _overlaps(m, numbers)]
        written = [
            Mention("metre", SAME_BEAT.get(match[1], match[1]), match.start(), match.end())
            for match in METRE.finditer(self.text)
        ]
        denials = Denials(self.text, [*words, *written, *numbers, *named])
        self._denials = denials
        self.words = [m for m in [*written, *words] if not denials.leaves_open(m)]
        self._numbers = [m for m in numbers if not denials.refuses(m)]
        self._keys = [m for m in named if not denials.refuses(m)]

    def is_refused(self, mention: Mention[str]) -> bool:
        return self._denials.refuses(mention)

    def wanted(self, kind: Kind) -> list[str]:
        return [m.value for m in self.words if m.kind == kind and not self.is_refused(m)]

    def refused(self, kind: Kind) -> list[str]:
        return [m.value for m in self.words if m.kind == kind and self.is_refused(m)]

    def bpm(self) -> float | None:
        return next((m.value for m in self._numbers), None)

    def key(self) -> KeyWish:
        """The first key, else a mode alone."""
        ordered = sorted(self._keys, key=lambda m: m.kind == "mode")
        return next((m.value for m in ordered), KeyWish())

    def genre(self) -> str | None:
        found = [m for m in self.words if m.kind == "genre" and not self.is_refused(m)]
        strong = [m for m in found if self.text[m.start : m.end] not in weak_genres()]
        return next((m.value for m in (*strong, *found)), None)


def _fold(original: str) -> str:
    """Case-folded letter by letter, so that every place stays where it is."""
    return "".join(folded if len(folded := letter.casefold()) == 1 else letter for letter in original)


def _silent(text: str) -> list[tuple[int, int]]:
    return [(start, end) for start, end, _ in scan(text) if text[start:end] in nothing()]


def _outside(found: list[Mention[KeyWish]], spans: list[tuple[int, int]]) -> list[Mention[KeyWish]]:
    return [m for m in found if not any(a <= m.start < b for a, b in spans)]


def _overlaps(mention: Mention[str], others: Iterable[Mention[float]]) -> bool:
    return any(mention.start < other.end and other.start < mention.end for other in others)


def _is_chinese(text: str) -> bool:
    """Whether a prompt is in Chinese: at least as many characters as words in letters, and no Japanese."""
    characters = sum("一" <= character <= "鿿" for character in text)
    return characters > 0 and characters >= len(re.findall(r"[A-Za-z]+", text)) and not KANA.search(text)


def _unique(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _speed(said: _Said) -> float:
    """The product would exaggerate "slow, very slow"; the strongest word counts. Denied ones pull back."""
    wanted = [float(factor) for factor in said.wanted("speed")]
    if wanted:
        return max(wanted, key=lambda factor: abs(factor - 1.0))
    refused = [float(factor) for factor in said.refused("speed")]
    if any(factor > 1 for factor in refused) and any(factor < 1 for factor in refused):
        return 1.0
    return next((0.94 if factor > 1 else 1.06 for factor in refused), 1.0)


def _alone(said: _Said) -> bool:
    """Whether "solo", "only" or their like stands beside a wanted instrument.

    A solo that someone takes ("with a guitar solo") leaves the others in.
    """
    text = said.text
    asked = [mention for mention in said.words if not said.is_refused(mention)]
    instruments = [mention for mention in asked if mention.kind == "instrument"]
    for word in (mention for mention in asked if mention.kind == "alone"):
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
