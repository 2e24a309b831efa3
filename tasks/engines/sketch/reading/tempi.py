"""Tempi as numbers: "120 bpm", "BPM: 90-100", "♩=72", "hundred and twenty beats a minute", 一百二十拍."""

from __future__ import annotations

import re
from functools import cache

from tasks.engines.sketch.reading.language import languages
from tasks.engines.sketch.reading.mention import Mention
from tasks.engines.sketch.reading.numerals import NUMBER, value
from tasks.engines.sketch.reading.phrases import any_of

LOW, HIGH = 30.0, 300.0
LOW_ALONE = 40.0  # 三十二拍 alone counts beats; 每分钟三十二拍 is a tempo
SIGNS = {"♪": 0.5, "♫": 0.5, "♩": 1.0, "\U0001d15e": 2.0}
CLAUSE_END = r"(?=\s*(?:$|[,.;!?，。；！？\n)]))"
NOT_A_TEMPO = (
    r"(?!\s*(?:%|/\s*\d|\d|hz|k\b|sec|s\b|min|years?|ms\b|people|秒|分钟|分(?!之)|年|小节|首|岁|个|后))"
)
NO_BEATS = "(?<!拍)|(?<=拍)(?![子即摄照卖手打])"  # 拍子, 拍摄 and their like are no beats


def _words(field: str) -> tuple[str, ...]:
    return tuple(word for language in languages() for word in getattr(language.number, field))


def about() -> tuple[str, ...]:
    """What may stand before a number that is a tempo: "around", "is", 大约."""
    return _words("about")


def _either(field: str) -> str:
    return any_of(_words(field), beside_digits=True)


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    to = rf"\s*(?P<to>[-–—~/]|{_either('to')})\s*"
    number = rf"(?P<a>{NUMBER})(?:{to}(?P<b>{NUMBER}))?"
    unit = rf"[\s-]*(?P<unit>{_either('unit')})(?:{NO_BEATS})"
    about = rf"(?:\s*(?:{_either('about')}|[:=~≈@\"'])){{0,5}}\s*"
    notes = any_of((*_words("eighth"), *_words("quarter"), *_words("half")))
    return tuple(
        re.compile(pattern)
        for pattern in (
            rf"(?P<note>[{''.join(SIGNS)}]|{notes})\s*\.?\s*(?:=|equals|等于){about}{number}",
            rf"{number}(?:-?ish)?{unit}",
            rf"(?P<lead>{_either('lead')}){about}{number}{NOT_A_TEMPO}(?:{unit})?",
            rf"(?:=|♩|@|(?<![a-z])at )\s*{number}{CLAUSE_END}",
        )
    )


@cache
def _factors() -> tuple[tuple[re.Pattern[str], re.Pattern[str], float], ...]:
    return tuple(
        (
            re.compile(rf"{any_of(_words(f'{name}_before'))}\s+(?:the\s+)?$"),
            re.compile(rf"\s*{any_of(_words(f'{name}_after'))}"),
            factor,
        )
        for name, factor in (("double", 2.0), ("halve", 0.5))
    )


@cache
def _changes() -> re.Pattern[str]:
    return re.compile(rf"{any_of(_words('change'))}[^,.;]*?\bfrom\s*$")


@cache
def _bare() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A number that goes on after a tempo or its word; one that begins a clause; what stands between."""
    between = rf"(?:[\s,;:(]|{any_of((*_words('bare'), *_words('about')), beside_digits=True)})*"
    alone = rf"(?P<a>{NUMBER})(?![a-z%])"
    then = rf"(?=\s*(?:$|[,.;!?()，。；！？\n\-–—>→⇒]|{_either('bare')}|{_either('unit')}))"
    behind = re.compile(rf"{between}{alone}{then}{NOT_A_TEMPO}")
    before = re.compile(rf"(?:^|[,.;:(\n，。；])\s*(?:{_either('about')}\s*)?{alone}(?=(?P<gap>{between}))")
    return behind, before, re.compile(_either("lead"))


def tempi(text: str) -> list[Mention[float]]:
    """The tempi in a folded text, in its order; a range means its middle."""
    return _with_bare(text, _with_words(text))


def _with_bare(text: str, found: list[Mention[float]]) -> list[Mention[float]]:
    """Numbers alone are tempi where they are named in one breath with one: "tempo: not 140 but 90"."""
    behind, before, lead = _bare()
    starts = sorted({*(m.end for m in found), *(m.end() for m in lead.finditer(text))})
    while starts:
        match = behind.match(text, starts.pop(0))
        if match and (one := _alone(match, found)):
            found.append(one)
            starts.insert(0, one.end)
    for match in before.finditer(text):
        leads_to = any(m.start == match.end("gap") for m in found)
        if leads_to and match["gap"].strip(" ,;:(") and (one := _alone(match, found)):
            found.append(one)
    return sorted(found, key=lambda m: m.start)


def _alone(match: re.Match[str], found: list[Mention[float]]) -> Mention[float] | None:
    start, end, beats = match.start("a"), match.end("a"), value(match["a"])
    if any(start < m.end and m.start < end for m in found) or not LOW_ALONE <= beats <= HIGH:
        return None
    return Mention("bpm", beats, start, end)


def _with_words(text: str) -> list[Mention[float]]:
    """The tempi that a unit or a word for them stands beside."""
    found: list[Mention[float]] = []
    matches = sorted(
        (match for pattern in _patterns() for match in pattern.finditer(text)),
        key=lambda match: (match.start(), -match.end()),
    )
    for match in matches:
        if found and match.start("a") < found[-1].end:
            continue
        beats = _beats(text, match)
        least = (
            LOW_ALONE if match.groupdict().get("unit") == "拍" and not match.groupdict().get("lead") else LOW
        )
        if least <= beats <= HIGH:
            found.append(Mention("bpm", beats, match.start(_meant(text, match)), match.end()))
    return found


def _beats(text: str, match: re.Match[str]) -> float:
    beats = value(match["a"])
    if match["b"]:
        beats = value(match["b"]) if _meant(text, match) == "b" else _of_two(match, beats, value(match["b"]))
    note = match.groupdict().get("note")
    beats *= _note_factor(note) if note else 1.0
    for before, after, factor in _factors():
        if before.search(text[: match.start()]) or after.match(text[match.end() :]):
            beats *= factor
    return beats


def _meant(text: str, match: re.Match[str]) -> str:
    """Which of two numbers is the tempo: the second where the first becomes it ("from 140 to 100")."""
    if not match["b"] or match["to"] in set("-–—~/"):
        return "a"
    becomes = value(match["a"]) > value(match["b"]) or _changes().search(text[: match.start("a")])
    return "b" if becomes else "a"


def _of_two(match: re.Match[str], first: float, second: float) -> float:
    """The middle of a range."""
    if match["to"] == "/":  # "70/140 bpm" says one tempo twice
        return first
    return (first + second) / 2


def _note_factor(note: str) -> float:
    if note in SIGNS:
        return SIGNS[note]
    lengths: tuple[tuple[str, float], ...] = (("eighth", 0.5), ("half", 2.0))
    return next((factor for field, factor in lengths if note in _words(field)), 1.0)
