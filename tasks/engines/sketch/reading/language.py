"""The languages that prompts are read in: one data file each, `languages/*.toml`, checked when loaded.

docs/sketch.md describes the form for those who add words. Nothing else in this room knows a word of any
language, but for numerals, the tags of lyrics and the grammar of English keys.
"""

from __future__ import annotations

import tomllib
import unicodedata
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tasks.engines.sketch.genres import GENRES
from tasks.engines.sketch.music.theory import MODES
from tasks.engines.sketch.reading.instruments import BY_NAME
from tasks.engines.sketch.reading.moods import MOODS

FOLDER = Path(__file__).parent / "languages"
METRES = ("2/4", "3/4", "4/4", "6/8")
NOTES = tuple(letter + sign for letter in "CDEFGAB" for sign in ("", "#", "b"))


class WordsError(ValueError):
    """A language's file that cannot be used; says which file and entry, and what to do."""


def _plain(word: str) -> str:
    plain = unicodedata.normalize("NFKC", word).casefold().strip()
    if not plain:
        raise ValueError("an empty word; delete it")
    if word != plain:
        raise ValueError(f"write {word!r} as {plain!r}: lower case, no full-width letters, no space around")
    return word


def _slots(phrase: str) -> str:
    if phrase.count("{yes}") != 1 or "{no}" not in phrase:
        raise ValueError(f"{phrase!r} needs one {{yes}} and a {{no}}")
    return phrase


def _one_of(what: str, known: tuple[str, ...]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"no such {what}; there are {', '.join(known)}")
        return name

    return AfterValidator(check)


Word = Annotated[str, AfterValidator(_plain)]
Words = tuple[Word, ...]
GenreName = Annotated[str, _one_of("genre", tuple(GENRES))]
InstrumentName = Annotated[str, _one_of("instrument", tuple(BY_NAME))]
MoodName = Annotated[str, _one_of("mood", tuple(mood.name for mood in MOODS))]
MetreName = Annotated[str, _one_of("metre", METRES)]
ModeName = Annotated[str, _one_of("mode", tuple(MODES))]
NoteName = Annotated[str, _one_of("note", NOTES)]
BeatsPerMinute = Annotated[float, Field(ge=30, le=300)]
Factor = Annotated[float, Field(ge=0.4, le=2.5)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Denial(_Table):
    """How a language refuses, corrects and takes back."""

    before: Words = ()
    hedge: Words = ()
    after: Words = ()
    after_tempo: Words = ()
    between: Words = ()
    harmless: Words = ()
    skip: Words = ()
    ends: Words = ()
    back: Words = ()
    joins: Words = ()
    list: Words = ()
    correction: tuple[Annotated[Word, AfterValidator(_slots)], ...] = ()
    retraction: Words = ()
    turns: Words = ()
    bounds: Words = ()


class Number(_Table):
    """What stands around a tempo that is given as a number."""

    unit: Words = ()
    lead: Words = ()
    about: Words = ()
    to: Words = ()
    change: Words = ()
    bare: Words = ()
    eighth: Words = ()
    quarter: Words = ()
    half: Words = ()
    double_before: Words = ()
    double_after: Words = ()
    halve_before: Words = ()
    halve_after: Words = ()


class Language(_Table):
    """One file: what each word means."""

    language: str = Field(min_length=1)
    weak_genre: Words = ()
    alone: Words = ()
    nothing: Words = ()
    genre: dict[GenreName, Words] = {}
    instrument: dict[InstrumentName, Words] = {}
    refused: dict[InstrumentName, Words] = {}
    mood: dict[MoodName, Words] = {}
    metre: dict[MetreName, Words] = {}
    tempo: dict[BeatsPerMinute, Words] = {}
    speed: dict[Factor, Words] = {}
    note: dict[NoteName, Words] = {}
    mode: dict[ModeName, Words] = {}
    denial: Denial = Denial()
    number: Number = Number()

    @model_validator(mode="after")
    def _says_each_word_once(self) -> Self:
        for table in ("genre", "instrument", "mood", "metre", "tempo", "speed", "note", "mode"):
            seen: dict[str, object] = {}
            for name, words in getattr(self, table).items():
                for word in words:
                    if word in seen:
                        raise ValueError(f"[{table}] {word!r} stands at {seen[word]} and at {name}; keep one")
                    seen[word] = name
        return self


def load(path: Path) -> Language:
    """The language in a file.

    Raises:
        WordsError: The file is no TOML, or an entry of it cannot be used.
    """
    try:
        return Language.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WordsError(f"{path.name}: not a TOML file in UTF-8: {error}") from error
    except ValidationError as error:
        lines = [f"{path.name}, {_place(line)}: {_reason(line)}" for line in error.errors()]
        raise WordsError("\n".join(lines)) from None


@cache
def languages() -> tuple[Language, ...]:
    """Every language, English first and the others by their files' names.

    Raises:
        WordsError: A file cannot be used, or two of them disagree on a word.
    """
    return load_all(FOLDER)


def load_all(folder: Path) -> tuple[Language, ...]:
    """The languages of a folder; see `languages`."""
    paths = sorted(folder.glob("*.toml"), key=lambda path: (path.stem != "english", path.name))
    found = tuple(load(path) for path in paths)
    for table in ("genre", "instrument", "mood", "metre", "tempo", "speed"):
        seen: dict[str, tuple[object, str]] = {}
        for path, language in zip(paths, found, strict=True):
            for name, words in getattr(language, table).items():
                for word in words:
                    other, file = seen.setdefault(word, (name, path.name))
                    if other != name:
                        raise WordsError(
                            f"{path.name}, [{table}] {word!r}: means {name} here and {other} in {file};"
                            " keep one of them"
                        )
    return found


def _place(line: Any) -> str:
    table, *rest = [part for part in line["loc"] if part != "[key]"] or ["the file"]
    return f"[{table}] " + " ".join(repr(part) for part in rest) if rest else str(table)


def _reason(line: Any) -> str:
    if line["type"] == "extra_forbidden":
        return "no such table or setting; docs/sketch.md lists them"
    said = str(line["msg"]).removeprefix("Value error, ")
    return f"{said} (given: {line['input']!r})" if line["type"] != "value_error" else said
