"""Where a text ends a clause, and how far a refusal reaches in it.

"No drums, calm piano" refuses the drums alone; "without drums or bass" both; "not too fast" the speed alone.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from tasks.engines.sketch.reading.language import languages
from tasks.engines.sketch.reading.mention import Mentions
from tasks.engines.sketch.reading.phrases import any_of

Span = tuple[int, int]
PUNCTUATION = r"[,.;:!?()\[\]\n，。；：！？（）]|\s[-–—]+\s|[–—]+"
ADJECTIVES = frozenset({"mood", "speed", "tempo"})
FAR = 120  # letters that a refusal reaches at most, so that no text costs the square of its length
NEAR = 4  # letters that may stand between 不, 没, 无, 别 and what they refuse


def words(field: str) -> tuple[str, ...]:
    """The phrases of all languages in one field of `[denial]`."""
    return tuple(word for language in languages() for word in getattr(language.denial, field))


@cache
def _ends() -> re.Pattern[str]:
    return re.compile(rf"{PUNCTUATION}|{any_of(words('ends'))}")


@cache
def openers() -> re.Pattern[str]:
    """What begins a refusal; a group `hedge` where it only wants less of it."""
    both = sorted((*words("before"), *words("hedge")), key=len, reverse=True)
    hedges = any_of(words("hedge"))
    return re.compile(rf"(?:(?P<hedge>{hedges})|{any_of(both)})")


@cache
def harmless() -> re.Pattern[str]:
    """What looks like a refusal and is none."""
    return re.compile(rf"{any_of(words('harmless'))}|(?<![a-z])no\.\s*\d")  # "no. 5" is a number


@cache
def _skip() -> re.Pattern[str]:
    return re.compile(rf"(?:\s*{any_of(words('skip'))})*")


@cache
def _back() -> re.Pattern[str]:
    return re.compile(rf"\S\s*(?P<back>{any_of(words('back'))})")


@cache
def list_goes_on() -> re.Pattern[str]:
    """What may stand between two things of one list."""
    return re.compile(rf"(?:[\s/&+、,]|{any_of(words('list'))})*")


@cache
def _joins() -> re.Pattern[str]:
    return re.compile(any_of(words("joins")))


@cache
def _or_list() -> re.Pattern[str]:
    return re.compile(r"^\s*(?:and\s+)?(?:or|nor)\b|^\s*或")


def clauses(text: str, *, keep: list[Span]) -> list[Span]:
    """The text's clauses, without what ends them; what ends one inside a span of `keep` ends none."""
    spans, start = [], 0
    for end in _ends().finditer(text):
        if _inside_number(text, end) or any(a <= end.start() and end.end() <= b for a, b in keep):
            continue
        spans.append((start, end.start()))
        start = end.end()
    return [*spans, (start, len(text))]


def reach(text: str, facts: Mentions, start: int, parts: list[Span]) -> list[Span]:
    """The spans that a refusal holds over whose word ends at `start`: its list, not what comes after."""
    index = next((n for n, (_, end) in enumerate(parts) if start <= end), len(parts) - 1)
    limit = min(parts[index][1], start + FAR)
    skipped = _skip().match(text, start, limit)
    first = skipped.end() if skipped else start
    back = _back().search(text, first, limit)
    end = back.start("back") if back else limit
    inside = [fact for fact in facts if start <= fact.start < end]
    for fact, following in pairwise(inside):
        if not _continues(text, fact.kind, fact.end, following.kind, following.start):
            return [(start, max(fact.end, start))]
    return [(start, end), *(_rest_of_list(text, parts[index + 1 :]) if back is None else [])]


def near(facts: Mentions, start: int, opener: str) -> bool:
    """Whether a refusal of one Chinese character stands close to something said."""
    return len(opener) > 1 or any(start <= fact.start <= start + NEAR for fact in facts)


def _continues(text: str, kind: str, end: int, next_kind: str, next_start: int) -> bool:
    if next_start < end:
        return True  # two meanings of one phrase
    gap = text[end:next_start]
    if not gap.strip():
        return kind not in {"instrument", "refused"} and kind != next_kind
    if kind in {"instrument", "refused"} and next_kind in ADJECTIVES and _joins().search(gap):
        return False
    return bool(list_goes_on().fullmatch(gap))


def _rest_of_list(text: str, parts: list[Span]) -> list[Span]:
    """Find the short clauses up to the one that begins with `or`: "no drums, bass, or strings"."""
    for count, (start, end) in enumerate(parts[:4]):
        if _or_list().match(text[start:end]):
            return parts[: count + 1]
        if len(text[start:end].split()) > 2:
            break
        if re.search(r"\b\w+ or \w+", text[start:end]):
            return parts[: count + 1]
    return []


def _inside_number(text: str, end: re.Match[str]) -> bool:
    before, after = text[end.start() - 1 : end.start()], text[end.end() : end.end() + 1]
    return end.group() in {".", ",", "–", "—", ":"} and before.isdigit() and after.isdigit()
