"""The form that lyrics ask for by their tags, in English and Chinese."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

SectionName = Literal["intro", "verse", "prechorus", "chorus", "bridge", "solo", "outro"]

# Longer words first: "pre-chorus" holds "chorus", and 预副歌 holds 副歌.
TAGS: tuple[tuple[SectionName, tuple[str, ...]], ...] = (
    ("prechorus", ("pre-chorus", "prechorus", "pre chorus", "build", "预副歌", "前副歌", "导歌")),
    ("intro", ("intro", "opening", "前奏", "引子", "开头")),
    ("outro", ("outro", "ending", "coda", "end", "尾奏", "尾声", "结尾", "结束")),
    ("chorus", ("chorus", "hook", "refrain", "drop", "副歌")),
    ("bridge", ("bridge", "breakdown", "桥段", "桥", "过渡")),
    ("solo", ("solo", "instrumental", "interlude", "inst", "break", "间奏", "独奏")),
    ("verse", ("verse", "主歌")),
)
TAG = re.compile(r"[\[【]([^\]】\n]{1,80})[\]】]")


@dataclass(frozen=True, slots=True)
class Sung:
    """One section of the lyrics and how many lines it has."""

    name: SectionName
    lines: int


def read_form(lyrics: str) -> tuple[Sung, ...]:
    """The sections that the lyrics' tags name, in their order; unknown tags are passed over."""
    text = unicodedata.normalize("NFKC", lyrics).casefold()
    tags = [(match, name) for match in TAG.finditer(text) if (name := _section(match.group(1)))]
    ends = [match.start() for match, _ in tags[1:]] + [len(text)] * bool(tags)
    return tuple(
        Sung(name, _lines(text[match.end() : end])) for (match, name), end in zip(tags, ends, strict=True)
    )


def _section(tag: str) -> SectionName | None:
    for name, words in TAGS:
        for word in words:
            if tag.strip().startswith(word) or (not word.isascii() and word in tag):
                return name
    return None


def _lines(text: str) -> int:
    return sum(bool(line.strip()) and not TAG.fullmatch(line.strip()) for line in text.splitlines())
