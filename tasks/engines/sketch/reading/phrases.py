"""From a phrase of a language's file to a pattern that finds it in a folded text."""

from __future__ import annotations

import re
from collections.abc import Iterable

NEVER = r"(?!)"
FEW_WORDS = r"[^.;!?。；！？\n]{0,16}?"
SLOT = r"[^,.;!?，。；！？\n]{1,40}?"
LAST_SLOT = r"[^,.;!?，。；！？\n]{1,40}"


def spelled(phrase: str, *, beside_digits: bool = False) -> str:
    """A pattern for one phrase: any white space for a space, whole words where it is written in letters.

    Beside digits a word is whole as well: "120bpm".
    """
    text = r"\s+".join(FEW_WORDS.join(re.escape(bit) for bit in part.split("...")) for part in phrase.split())
    letters = "a-z" if beside_digits else "a-z0-9"
    if _is_letter(phrase[0]):  # the letter first: a branch that begins with one is passed over quickly
        text = f"{phrase[0]}(?<![{letters}]{phrase[0]}){text[1:]}"
    return text + (f"(?![{letters}])" if _is_letter(phrase[-1]) else "")


def any_of(phrases: Iterable[str], *, beside_digits: bool = False) -> str:
    """A pattern for the longest of some phrases; matches nothing where there are none."""
    ordered = sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase))
    return (
        "(?:" + "|".join(spelled(phrase, beside_digits=beside_digits) for phrase in ordered) + ")"
        if ordered
        else NEVER
    )


def with_slots(phrase: str) -> re.Pattern[str]:
    """A pattern for a phrase with {yes} and {no} in it; its groups are `yes`, `no0`, `no1`, ..."""
    bits = re.split(r"(\{yes\}|\{no\})", phrase)
    pattern, refused = "", 0
    for place, bit in enumerate(bits):
        if not bit.startswith("{"):
            pattern += r"\s*".join(spelled(part) for part in bit.split()) if bit.strip() else ""
            continue
        slot = LAST_SLOT if all(not rest for rest in bits[place + 1 :]) else SLOT
        name = "yes" if bit == "{yes}" else f"no{refused}"
        refused += bit == "{no}"
        space = r"\s*" if pattern else ""
        pattern += f"{space}(?P<{name}>{slot})" + (r"\s*" if bits[place + 1 :] else "")
    return re.compile(pattern)


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalnum()
