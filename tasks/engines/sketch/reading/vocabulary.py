"""All words in one table, scanned once: at every place the longest phrase wins.

So "drum and bass" is a genre and not two instruments, and "grand piano" is not a grand mood.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from tasks.engines.sketch.genres import GENRES
from tasks.engines.sketch.reading.instruments import INSTRUMENTS
from tasks.engines.sketch.reading.words import ALONE, METRES, MOODS, SPEEDS, TEMPI

Kind = Literal["genre", "instrument", "mood", "speed", "tempo", "metre", "alone"]


@dataclass(frozen=True, slots=True)
class Mention:
    """One thing said: what kind, which, and where in the text."""

    kind: Kind
    value: str
    start: int
    end: int


@cache
def _meanings() -> dict[str, list[tuple[Kind, str]]]:
    table: dict[str, list[tuple[Kind, str]]] = defaultdict(list)
    entries: list[tuple[str, Kind, str]] = []
    entries += [(word, "genre", genre.name) for genre in GENRES.values() for word in genre.words]
    entries += [
        (word, "instrument", instrument.name) for instrument in INSTRUMENTS for word in instrument.words
    ]
    entries += [(word, "mood", mood.name) for mood in MOODS for word in mood.words]
    entries += [(word, "speed", word) for word in SPEEDS]
    entries += [(word, "tempo", word) for word in TEMPI]
    entries += [(word, "metre", metre) for word, metre in METRES.items()]
    entries += [(word, "alone", word) for word in sorted(ALONE)]
    for word, kind, value in entries:
        table[word].append((kind, value))
    return dict(table)


@cache
def _scanner() -> re.Pattern[str]:
    phrases = sorted(_meanings(), key=len, reverse=True)
    return re.compile("|".join(_spelling(phrase) for phrase in phrases))


def _spelling(phrase: str) -> str:
    if not phrase.isascii():
        return re.escape(phrase)
    loose = r"[\s-]+".join(re.escape(part) for part in re.split(r"[\s-]+", phrase))
    # "drumless" and "8-bits" are wanted, "bassoon" for "bass" is not.
    return rf"(?<![a-z0-9]){loose}(?:s|(?=less\b))?(?![a-km-z0-9]|l(?!ess\b))"


def mentions(text: str) -> Iterator[Mention]:
    """What a case-folded text mentions, in its order."""
    meanings = _meanings()
    for match in _scanner().finditer(text):
        said = match.group()
        for kind, value in _lookup(said, meanings):
            yield Mention(kind, value, match.start(), match.end())


def _lookup(said: str, meanings: dict[str, list[tuple[Kind, str]]]) -> list[tuple[Kind, str]]:
    spaced = re.sub(r"[\s-]+", " ", said)
    hyphened = spaced.replace(" ", "-")
    for form in (
        said,
        spaced,
        hyphened,
        said.removesuffix("s"),
        spaced.removesuffix("s"),
        hyphened.removesuffix("s"),
    ):
        if form in meanings:
            return meanings[form]
    return next((found for word, found in meanings.items() if re.sub(r"[\s-]+", " ", word) == spaced), [])
