"""Keys in prompts: "in the key of F# minor", "Bb major", "h-Moll", "降B大调", "1=G", "in a minor key".

The trap is the article: "a major hit" and "a minor problem" are no keys. A small a, or one that begins a
sentence, counts only where the clause goes on as it would after a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from tasks.engines.sketch.music.theory import pitch_class
from tasks.engines.sketch.reading.language import languages
from tasks.engines.sketch.reading.mention import Mention

SIGNS = {"#": "#", "sharp": "#", "♯": "#", "升": "#", "b": "b", "flat": "b", "♭": "b", "降": "b"}
LEAD = (
    r"(?P<lead>\b(?:(?:in|of|to)\s+(?:the\s+)?(?:key\s*(?:of|:|=)?\s*)?|key\s*(?:of|:|=|is)?\s*)"
    r"\s*(?:the\s+)?)?"
)
GOES_ON = re.compile(
    r"\s*(?:$|[,.;:!?()\n，。；]|\d|(?:with|at|and|for|using|on|in|but|not|instead|rather|to|tempo|feel|tonality|scale"
    r"|played|featuring|bpm|piano|guitar|violin|waltz|ballad|sonata|blues|jazz)\b)",
    re.IGNORECASE,
)
KEY_FOLLOWS = re.compile(r"\s*(?:key|keys)\b", re.IGNORECASE)
NUMBERED = re.compile(
    r"(?<![\d.])1\s*=\s*(?P<before>[升降#♯b♭])?(?P<letter>[A-G])(?P<sign>[#♯b♭])?(?![A-Za-z])"
)


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What was said of the key; `mode` may come without a tonic."""

    tonic: int | None = None
    mode: str | None = None


@cache
def _modes() -> dict[str, str]:
    return {word: mode for language in languages() for mode, words in language.mode.items() for word in words}


@cache
def _notes() -> dict[str, str]:
    return {word: note for language in languages() for note, words in language.note.items() for word in words}


def _either(words: Iterable[str]) -> str:
    ordered = sorted(words, key=len, reverse=True)
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in ordered)


@cache
def _english() -> re.Pattern[str]:
    modes = _either([word for word in _modes() if word.isascii() and word not in _foreign_modes()] + ["m"])
    return re.compile(
        LEAD
        + r"(?<![A-Za-z0-9'])(?P<letter>[A-Ga-g])(?:\s*(?P<sign>[#♯♭]|b(?![a-z])|(?:[\s-]+)?(?:sharp|flat)))?"
        rf"[\s-]*(?P<mode>{modes})?(?![A-Za-z0-9#'])",
        re.IGNORECASE,
    )


@cache
def _foreign_modes() -> frozenset[str]:
    """The modes of the languages that name the notes in their own way."""
    return frozenset(
        w for language in languages() if language.note for words in language.mode.values() for w in words
    )


@cache
def _foreign() -> re.Pattern[str]:
    """A note of such a language: before one of its modes, or one that is no English word ("Fis minor")."""
    notes, own = _either(_notes()), _either(_foreign_modes())
    clear = _either([note for note in _notes() if len(note) > 2 or note == "h"])
    plain = _either([word for word in _modes() if word.isascii() and word not in _foreign_modes()])
    return re.compile(
        rf"(?<![A-Za-z0-9'])(?:(?P<letter>{notes})[\s-]*(?P<mode>{own})|(?P<clear>{clear})[\s-]+(?P<plain>{plain})"
        rf"|(?<=in\s)(?P<bare>{clear}|(?-i:Es|As)))(?![A-Za-z0-9#'])",
        re.IGNORECASE,
    )


@cache
def _chinese() -> re.Pattern[str]:
    modes = _either([word for word in _modes() if not word.isascii()])
    return re.compile(
        r"(?:(?<![A-Za-z])(?P<before>[升降#♯b♭]))?\s*(?<![A-Zac-z])(?P<letter>[A-Ha-h])\s*(?P<sign>[#♯♭b升降])?\s*"
        rf"(?P<mode>(?:{modes})(?:调式|音阶|调)?|调式?(?![整到成节皮音查高低动和]))"
    )


@cache
def _alone() -> re.Pattern[str]:
    ascii_modes = _either(
        [word for word in _modes() if word.isascii() and word not in {"maj", "min", "blues"}]
    )
    plain = "dorian|mixolydian|lydian|phrygian"
    han = _either([word for word in _modes() if not word.isascii()])
    return re.compile(
        rf"\b(?P<mode>{ascii_modes})\s+(?:key|scale|mode|tonality|chords?|harmony)\b|\b(?P<plain>{plain})\b|(?P<han>{han})",
        re.IGNORECASE,
    )


def keys(text: str) -> list[Mention[KeyWish]]:
    """The keys in a text (NFKC, not case-folded), in its order, and modes alone where no key stands."""
    found = [_numbered(match) for match in NUMBERED.finditer(text)]
    found += [_han(match) for match in _chinese().finditer(text)]
    found += [_of_language(match) for match in _foreign().finditer(text) if _is_foreign(text, match)]
    found += [_of_english(match) for match in _english().finditer(text) if _is_key(text, match)]
    found += [_mode_alone(match) for match in _alone().finditer(text)]
    kept: list[Mention[KeyWish]] = []
    for key in found:  # what stands earlier in this list has read more of the text
        if not any(key.start < other.end and other.start < key.end for other in kept):
            kept.append(key)
    return sorted(kept, key=lambda key: key.start)


def _numbered(match: re.Match[str]) -> Mention[KeyWish]:
    sign = SIGNS.get(match["before"] or match["sign"] or "", "")
    return Mention("key", KeyWish(pitch_class(match["letter"], sign), "major"), match.start(), match.end())


def _han(match: re.Match[str]) -> Mention[KeyWish]:
    sign = SIGNS.get(match["before"] or match["sign"] or "", "")
    said, letter = match["mode"], match["letter"]  # H as Germans write it
    mode = next(
        (_modes()[word] for word in sorted(_modes(), key=len, reverse=True) if said.startswith(word)), None
    )
    return Mention(
        "key", KeyWish(pitch_class("B" if letter in "Hh" else letter, sign), mode), match.start(), match.end()
    )


def _of_language(match: re.Match[str]) -> Mention[KeyWish]:
    note = _notes()[(match["letter"] or match["clear"] or match["bare"]).casefold()]
    mode = _modes().get((match["mode"] or match["plain"] or "").casefold())
    return Mention("key", KeyWish(pitch_class(note[0], note[1:]), mode), match.start(), match.end())


def _is_foreign(text: str, match: re.Match[str]) -> bool:
    return match["bare"] is None or (match["bare"][0].isupper() and bool(GOES_ON.match(text[match.end() :])))


def _of_english(match: re.Match[str]) -> Mention[KeyWish]:
    sign = SIGNS.get((match["sign"] or "").strip(" -").casefold(), "")
    said = re.sub(r"\s+", " ", (match["mode"] or "").casefold())
    mode = "minor" if said == "m" else _modes().get(said)
    return Mention(
        "key", KeyWish(pitch_class(match["letter"], sign), mode), match.start("letter"), match.end()
    )


def _mode_alone(match: re.Match[str]) -> Mention[KeyWish]:
    said = re.sub(r"\s+", " ", (match["mode"] or match["plain"] or match["han"]).casefold())
    return Mention("mode", KeyWish(None, _modes()[said]), match.start(), match.end())


def _is_key(text: str, match: re.Match[str]) -> bool:
    letter, sign, mode, lead = match["letter"], match["sign"], match["mode"], match["lead"]
    after = text[match.end() :]
    if "key" in (lead or "").casefold():
        return letter.casefold() != "a" or bool(mode or sign) or bool(GOES_ON.match(after))
    if mode is None:
        # A bare letter is a key only as "in D", "in F#", before the clause ends.
        return (
            bool(lead)
            and letter.isupper()
            and bool(GOES_ON.match(after))
            and not (letter == "A" and not sign)
        )
    if mode.casefold() == "m" and (letter.islower() or mode == "M"):
        return False  # "d m" is no chord name, and "at 6 AM" no key
    if letter.casefold() != "a" or sign:
        return True
    return _article_is_key(text, match, after)


def _article_is_key(text: str, match: re.Match[str], after: str) -> bool:
    """Whether the `a` of "a minor" is a note."""
    if KEY_FOLLOWS.match(after):
        return match["letter"] == "A" and not _begins_sentence(text, match.start("letter"))
    if match["letter"] == "A" and not _begins_sentence(text, match.start("letter")):
        return True
    return bool(GOES_ON.match(after)) and (bool(match["lead"]) or match["letter"] == "A")


def _begins_sentence(text: str, position: int) -> bool:
    before = text[:position].rstrip()
    return not before or before[-1] in ".!?。！？\n"
