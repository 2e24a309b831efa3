"""The corpus of prompts: what has to be read from each, and whether it was.

A row `says` a prompt. What it does not state must be left open: `bpm`, `tempo`, `key`, `metre`, `drums`,
`with`, `without` and `unlike` are held exactly: a fact read where none was said counts as wrong. Else:

    bpm      a number, or [low, high] within which it has to be
    tempo    "slow", "moderate", "fast", "not slow", "not fast", or a list of them: words without a number; a
             moderate tempo is the genre's own and looks like one left open
    key      "F# minor", a tonic alone ("E"), or a mode alone ("minor", "dorian")
    metre    "3/4"
    drums    true: asked for; false: refused; "not true": anything but asked for
    with     the instruments asked for, drums apart, but for those that the genre read is played on anyway;
             without: those refused
    genre    one, or a list of which one has to be read
    mood     these have to be among those read ("calm|gentle": one of the two); unmood: these must not
    unlike   genres that are refused
    alone    nobody else plays
    any      fields about which this row says nothing ("*" as a value says the same)

Moods and `alone` are checked only where stated.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tasks.engines.sketch.reading import Wish, read
from tasks.jobs import JobRequest

FOLDER = Path(__file__).parent / "prompts"
OPEN = ("english", "chinese")
HELD_OUT = ("held_out",)
Row = dict[str, Any]
FIELDS = frozenset({
    "says", "bpm", "tempo", "key", "metre", "drums", "with", "without", "genre", "mood", "unmood", "unlike",
    "alone", "any",
})  # fmt: skip
PITCH = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
PLAYED_ANYWAY = {"piano solo": "piano", "jazz trio": "piano", "orchestral": "strings"}
SLOW, FAST = 90, 115  # beats a minute, between which a tempo is moderate


def rows(name: str) -> list[Row]:
    """The rows of one file of the corpus."""
    found: list[Row] = tomllib.loads((FOLDER / f"{name}.toml").read_text())["prompts"]
    for row in found:
        if odd := set(row) - FIELDS:
            raise ValueError(f"{name}.toml, {row['says']!r}: unknown {', '.join(sorted(odd))}")
    return found


def misread(row: Row) -> list[str]:
    """What was read wrong of a row, in words; empty when all of it is right."""
    wish = read(JobRequest(prompt=row["says"]))
    seen = {field: check(row, wish) for field, check in CHECKS.items()}
    skipped = {*row.get("any", ()), *(field for field, value in row.items() if value == "*")}
    return [f"{field}: {words}" for field, words in seen.items() if words and field not in skipped]


def _bpm(row: Row, wish: Wish) -> str:
    stated = row.get("bpm")
    if stated is None or wish.bpm is None:
        return "" if stated == wish.bpm else f"read {wish.bpm}, said {stated}"
    low, high = stated if isinstance(stated, list) else (stated, stated)
    return "" if low <= wish.bpm <= high else f"read {wish.bpm}, said {stated}"


def _tempo(row: Row, wish: Wish) -> str:
    if "bpm" in row:
        return ""
    slow = wish.speed < 1 or (wish.tempo is not None and wish.tempo < SLOW)
    fast = wish.speed > 1 or (wish.tempo is not None and wish.tempo > FAST)
    left_open = wish.tempo is None and wish.speed == 1
    is_so = {
        "open": left_open, "slow": slow, "fast": fast, "moderate": not slow and not fast,
        "not slow": not slow, "not fast": not fast,
    }  # fmt: skip
    stated = row.get("tempo", "open")
    allowed = stated if isinstance(stated, list) else [stated]
    return "" if any(is_so[word] for word in allowed) else f"read {wish.tempo} x {wish.speed}, said {stated}"


def _key(row: Row, wish: Wish) -> str:
    first, _, rest = row.get("key", "").partition(" ")
    tonic = None
    if first[:1] in PITCH and first[1:] in ("", "#", "b"):
        tonic = (PITCH[first[0]] + {"": 0, "#": 1, "b": -1}[first[1:]]) % 12
        mode = rest or None
    else:
        mode = row.get("key")
    right = (wish.tonic, wish.mode) == (tonic, mode)
    return "" if right else f"read {wish.tonic} {wish.mode}, said {tonic} {mode}"


def _metre(row: Row, wish: Wish) -> str:
    return "" if wish.metre == row.get("metre") else f"read {wish.metre}, said {row.get('metre')}"


def _drums(row: Row, wish: Wish) -> str:
    stated = row.get("drums")
    right = wish.drums is not True if stated == "not true" else wish.drums is stated
    return "" if right else f"read {wish.drums}, said {stated}"


def _one_each(stated: list[str], read_: set[str]) -> bool:
    return len(stated) == len(read_) and all(set(words.split("|")) & read_ for words in stated)


def _with(row: Row, wish: Wish) -> str:
    stated, found = row.get("with", []), set(wish.wanted) - {"drums"}
    implied = {PLAYED_ANYWAY.get(wish.genre or "")} & set(stated) - {None}
    return "" if _one_each(stated, found | implied) else f"read {sorted(found)}, said {row.get('with')}"


def _without(row: Row, wish: Wish) -> str:
    found = set(wish.unwanted) - {"drums"}
    return (
        "" if _one_each(row.get("without", []), found) else f"read {sorted(found)}, said {row.get('without')}"
    )


def _genre(row: Row, wish: Wish) -> str:
    stated = row.get("genre")
    allowed = stated if isinstance(stated, list) else [stated]
    return "" if wish.genre in allowed else f"read {wish.genre}, said {stated}"


def _mood(row: Row, wish: Wish) -> str:
    missing = [words for words in row.get("mood", []) if not set(words.split("|")) & set(wish.moods)]
    return f"read {wish.moods}, said {row['mood']}" if missing else ""


def _unmood(row: Row, wish: Wish) -> str:
    wrong = set(row.get("unmood", [])) & set(wish.moods)
    return f"read {sorted(wrong)}" if wrong else ""


def _unlike(row: Row, wish: Wish) -> str:
    right = set(wish.unlike) == set(row.get("unlike", []))
    return "" if right else f"read {sorted(wish.unlike)}, said {row.get('unlike')}"


def _alone(row: Row, wish: Wish) -> str:
    return "" if "alone" not in row or wish.alone == row["alone"] else f"read {wish.alone}"


CHECKS = {
    "bpm": _bpm, "tempo": _tempo, "key": _key, "metre": _metre, "drums": _drums, "with": _with,
    "without": _without, "genre": _genre, "mood": _mood, "unmood": _unmood, "unlike": _unlike,
    "alone": _alone,
}  # fmt: skip
