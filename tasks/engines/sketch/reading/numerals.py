"""Numbers up to 300 as people say them before "bpm": digits, English words, Chinese numerals.

Ours, since they stand in running text, and as people say them: "one-forty", 一百三 (130).
"""

from __future__ import annotations

import re

ONES = dict(
    zip(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], range(1, 10), strict=True)
)
TEENS = dict(
    zip(
        [
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ],
        range(10, 20),
        strict=True,
    )
)
TENS = dict(
    zip(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"],
        range(20, 100, 10),
        strict=True,
    )
)
CHINESE = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}

_ONE, _TEEN, _TENS = ("(?:" + "|".join(words) + ")" for words in (ONES, TEENS, TENS))
_SMALL = rf"(?:{_TENS}(?:[\s-]+{_ONE})?|{_TEEN}|{_ONE})"
_BIG = rf"(?:{_TENS}(?:[\s-]+{_ONE})?|{_TEEN})"
ENGLISH = (
    rf"(?<![a-z])(?:(?:(?:a|{_ONE})[\s-]+)?hundred(?:(?:[\s-]+and)?[\s-]+{_SMALL})?"
    rf"|(?:one|two)[\s-]+(?:(?:oh|o)[\s-]+{_ONE}|{_BIG})|{_BIG})(?![a-z])"
)
DIGITS = r"(?<![\d./])\d{2,3}(?:\.\d+)?(?!\d)"
_C = "一二两三四五六七八九"
HAN = (
    rf"(?<![{_C}十百])(?:[{_C}]百(?:[零〇][{_C}]|[{_C}]?十[{_C}]?|[{_C}])?|[{_C}]?十[{_C}]?"
    rf"|[一二三][零〇{_C}]{{2}})(?![{_C}十百千万])"
)
NUMBER = f"(?:{DIGITS}|{ENGLISH}|{HAN})"


def value(said: str) -> float:
    """The number that a match of `NUMBER` says."""
    if said[0].isdigit() and said[0] not in CHINESE:
        return float(said)
    return float(_han(said) if said[0] in CHINESE or said[0] == "十" else _english(said))


def _english(said: str) -> int:
    words = [word for word in re.split(r"[\s-]+", said) if word not in {"and", "oh", "o"}]
    small = [(ONES | TEENS | TENS)[word] for word in words if word not in {"a", "hundred"}]
    if "hundred" in words:
        place = words.index("hundred")
        many = small[0] if place and words[0] != "a" else 1
        rest = small[1:] if place and words[0] != "a" else small
        return many * 100 + sum(rest)
    if words[0] in ONES and len(small) > 1:  # "one twenty-eight", "one-oh-five"
        return small[0] * 100 + sum(small[1:])
    return sum(small)


def _han(said: str) -> int:
    if "百" in said:
        hundreds, rest = said.split("百")
        if len(rest) == 1 and rest in CHINESE:
            return CHINESE[hundreds] * 100 + CHINESE[rest] * 10
        return CHINESE[hundreds] * 100 + (_han(rest.lstrip("零〇")) if rest else 0)
    if "十" in said:
        tens, ones = said.split("十")
        return CHINESE.get(tens, 1) * 10 + CHINESE.get(ones, 0)
    return int("".join(str(CHINESE[character]) for character in said))
