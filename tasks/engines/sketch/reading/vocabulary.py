"""All words in one table, scanned once: at every place the longest phrase wins.

So "drum and bass" is a genre and not two instruments, and "grand piano" is not a grand mood.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache

from tasks.engines.sketch.reading.language import languages
from tasks.engines.sketch.reading.mention import Kind, Mention

KINDS: tuple[Kind, ...] = ("genre", "instrument", "refused", "mood", "speed", "tempo", "metre")
# Japanese is written with some of the same characters; の alone is an ornament in Chinese.
KANA = re.compile(r"[ぁ-ねは-ゟ゠-ヿ]")


@cache
def _meanings() -> Mapping[str, list[tuple[Kind, str]]]:
    table: dict[str, list[tuple[Kind, str]]] = defaultdict(list)
    for kind in KINDS:
        for language in languages():
            for value, words in getattr(language, kind).items():
                for word in words:
                    if (kind, str(value)) not in table[word]:
                        table[word].append((kind, str(value)))
    for language in languages():
        for word in language.alone:
            table[word].append(("alone", word))
    for word in nothing():
        table[word].extend(())
    return dict(table)


@cache
def _by_form() -> Mapping[str, list[tuple[Kind, str]]]:
    """The table again, with a space for each run of white space and hyphens."""
    return {re.sub(r"[\s-]+", " ", word): meanings for word, meanings in reversed(list(_meanings().items()))}


@cache
def weak_genres() -> frozenset[str]:
    """The words that only colour another genre's name."""
    return frozenset(word for language in languages() for word in language.weak_genre)


@cache
def nothing() -> frozenset[str]:
    """The phrases in which a word means something else."""
    return frozenset(word for language in languages() for word in language.nothing)


def words_for(kind: Kind, name: str) -> list[str]:
    """The words for a genre, an instrument, a mood or a metre, English first."""
    return [word for language in languages() for word in getattr(language, kind).get(name, ())]


@cache
def _scanner() -> re.Pattern[str]:
    phrases = sorted(_meanings(), key=len, reverse=True)
    return re.compile("|".join(_spelling(phrase) for phrase in phrases))


def _spelling(phrase: str) -> str:
    if not phrase.isascii():
        return re.escape(phrase)
    loose = r"[\s-]+".join(re.escape(part) for part in re.split(r"[\s-]+", phrase))
    # "drumless" and "8-bits" are wanted, "bassoon" for "bass" is not. The letter before the look behind it: a
    # branch that begins with a letter is passed over quickly.
    first = re.escape(phrase[0])
    return (
        rf"{first}(?<![a-z0-9]{first}){loose.removeprefix(first)}(?:s|(?=less\b))?(?![a-km-z0-9]|l(?!ess\b))"
    )


def scan(text: str) -> Iterator[tuple[int, int, list[tuple[Kind, str]]]]:
    """The phrases in a folded text, in its order: start, end, and what each means, if anything."""
    for match in _scanner().finditer(text):
        if match.group().isascii() or not _in_japanese(text, match):
            yield match.start(), match.end(), _lookup(match.group())


def _in_japanese(text: str, match: re.Match[str]) -> bool:
    around = text[max(match.start() - 1, 0) : match.start()] + text[match.end() : match.end() + 1]
    return bool(KANA.search(around))


def _lookup(said: str) -> list[tuple[Kind, str]]:
    spaced = re.sub(r"[\s-]+", " ", said)
    for form in (said, spaced, said.removesuffix("s"), spaced.removesuffix("s")):
        if form in _meanings():
            return _meanings()[form]
        if form in _by_form():
            return _by_form()[form]
    return []


def mentions(text: str) -> list[Mention[str]]:
    """What a folded text mentions, in its order."""
    return [Mention(kind, value, start, end) for start, end, found in scan(text) for kind, value in found]
