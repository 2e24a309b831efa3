"""Keys in prompts: "in the key of F# minor", "Bb major", "降B大调", "in a minor key".

The trap is the article: "a major hit" and "a minor problem" are no keys. A small a, or one that begins a
sentence, counts only where the clause goes on as it would after a key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.engines.sketch.theory import pitch_class

MODE_WORDS = {
    "major": "major",
    "maj": "major",
    "minor": "minor",
    "min": "minor",
    "m": "minor",
    "dorian": "dorian",
    "mixolydian": "mixolydian",
    "lydian": "lydian",
    "phrygian": "phrygian",
    "aeolian": "minor",
    "ionian": "major",
    "pentatonic": "major pentatonic",
    "major pentatonic": "major pentatonic",
    "minor pentatonic": "minor pentatonic",
    "blues": "major blues",
    "大调": "major",
    "小调": "minor",
    "宫调": "major pentatonic",
    "羽调": "minor pentatonic",
    "调": "",
}
SIGNS = {"#": "#", "sharp": "#", "♯": "#", "升": "#", "b": "b", "flat": "b", "♭": "b", "降": "b"}

ENGLISH = re.compile(
    r"(?P<lead>\b(?:(?:in|of|to)\s+(?:the\s+)?(?:key\s*(?:of|:|=)?\s*)?|key\s*(?:of|:|=|is)?\s*)\s*(?:the\s+)?)?"
    r"(?<![A-Za-z0-9'])(?P<letter>[A-Ga-g])(?:\s*(?P<sign>[#♯♭]|b(?![a-z])|(?:[\s-]+)?(?:sharp|flat)))?"
    r"[\s-]*(?P<mode>major pentatonic|minor pentatonic|major|minor|maj|min|m|dorian|mixolydian|lydian"
    r"|phrygian|aeolian|ionian|pentatonic|blues)?(?![A-Za-z0-9#'])",
    re.IGNORECASE,
)
CHINESE = re.compile(
    r"(?P<before>[升降])?\s*(?P<letter>[A-Ga-g])\s*(?P<sign>[#♯♭b升降])?\s*(?P<mode>大调|小调|宫调|羽调|调)"
)
MODE_ALONE = re.compile(
    r"\b(?P<mode>major|minor|dorian|mixolydian|lydian|phrygian|pentatonic)\s+"
    r"(?:key|scale|mode|tonality|chords?|harmony)\b"
    r"|\b(?P<plain>dorian|mixolydian|lydian|phrygian)\b|(?P<chinese>大调|小调|宫调|羽调)",
    re.IGNORECASE,
)
GOES_ON = re.compile(
    r"\s*(?:$|[,.;:!?()\n，。；]|\d|(?:with|at|and|for|using|on|in|tempo|feel|tonality|scale|played|featuring|bpm|piano|guitar|violin|waltz|ballad|sonata|blues|jazz)\b)",
    re.IGNORECASE,
)
KEY_FOLLOWS = re.compile(r"\s*(?:key|keys)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What was said of the key; `mode` may come without a tonic."""

    tonic: int | None = None
    mode: str | None = None


def read_key(text: str) -> KeyWish:
    """The first key named in the text (NFKC, not case-folded), else a mode alone, else nothing."""
    chinese = CHINESE.search(text)
    if chinese:
        sign = SIGNS.get(chinese["before"] or chinese["sign"] or "", "")
        return KeyWish(pitch_class(chinese["letter"], sign), MODE_WORDS[chinese["mode"]] or None)
    for match in ENGLISH.finditer(text):
        if _is_key(text, match):
            sign = SIGNS.get((match["sign"] or "").strip(" -").casefold(), "")
            mode = MODE_WORDS.get((match["mode"] or "").casefold())
            return KeyWish(pitch_class(match["letter"], sign), mode)
    alone = MODE_ALONE.search(text)
    if alone:
        said = (alone["mode"] or alone["plain"] or alone["chinese"]).casefold()
        return KeyWish(None, MODE_WORDS[said])
    return KeyWish()


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
    if mode.casefold() == "m" and letter.islower():
        return False  # "d m" is no chord name
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
