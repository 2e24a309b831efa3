"""The words that prompts are read by are data: what stands in a file is read, and a bad entry is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.engines.sketch.reading.language import FOLDER, WordsError, languages, load, load_all
from tasks.engines.sketch.reading.vocabulary import KINDS, mentions


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_of_every_file_is_heard_as_what_it_means(kind: str) -> None:
    unheard = [
        (language.language, word)
        for language in languages()
        for name, words in getattr(language, kind).items()
        for word in words
        if (kind, str(name)) not in {(m.kind, m.value) for m in mentions(f", {word},")}
        and word not in language.nothing
    ]
    assert unheard == []


def test_a_new_file_is_a_new_language(tmp_path: Path) -> None:
    for path in FOLDER.glob("*.toml"):
        shutil.copy(path, tmp_path)
    (tmp_path / "french.toml").write_text(
        'language = "French"\n[genre]\nwaltz = ["valse"]\n[mood]\nsad = ["triste"]\n'
    )
    french = next(found for found in load_all(tmp_path) if found.language == "French")
    assert (french.genre["waltz"], french.mood["sad"]) == (("valse",), ("triste",))


BAD = {
    'language = "X"\n[genre]\njaz = ["jaz"]': ("[genre] 'jaz'", "no such genre; there are pop, rock"),
    'language = "X"\n[instrument]\npiano = ["Klavier"]': (
        "[instrument] 'piano'",
        "write 'Klavier' as 'klavier'",
    ),
    'language = "X"\n[instrument]\npiano = "klavier"': ("[instrument] 'piano'", "tuple"),
    'language = "X"\n[mood]\nsad = [""]': ("[mood] 'sad'", "an empty word"),
    'language = "X"\n[mood]\nsad = [3]': ("[mood] 'sad' 0", "string (given: 3)"),
    'language = "X"\n[metre]\n"5/4" = ["five"]': ("[metre] '5/4'", "no such metre; there are 2/4"),
    'language = "X"\n[tempo]\n1200 = ["rapide"]': ("[tempo] '1200'", "less than or equal to 300"),
    'language = "X"\n[tempo]\nfast = ["rapide"]': ("[tempo] 'fast'", "valid number"),
    'language = "X"\n[speed]\n"9" = ["vite"]': ("[speed] '9'", "less than or equal to 2.5"),
    'language = "X"\n[note]\nH = ["h"]': ("[note] 'H'", "no such note"),
    'language = "X"\n[mode]\nmolly = ["moll"]': ("[mode] 'molly'", "no such mode"),
    'language = "X"\n[mode]\nminor = ["moll"]\nmajor = ["moll"]': ("'moll'", "keep one"),
    'language = "X"\n[denial]\ncorrection = ["au lieu de {no}"]': (
        "[denial] 'correction' 0",
        "needs one {yes}",
    ),
    'language = "X"\n[denial]\nbefor = ["sans"]': ("[denial] 'befor'", "no such table or setting"),
    'language = "X"\n[genres]\npop = ["pop"]': ("genres", "no such table or setting"),
    '[genre]\npop = ["pop"]': ("language", "Field required"),
    "language = ": ("x.toml", "not a TOML file"),
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_entry_is_refused_by_file_place_and_reason(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(WordsError) as caught:
        load(path)
    assert all(said in str(caught.value) for said in ("x.toml", *BAD[text])), caught.value


def test_two_files_that_disagree_on_a_word_are_refused(tmp_path: Path) -> None:
    (tmp_path / "english.toml").write_text('language = "English"\n[genre]\npop = ["light"]\n')
    (tmp_path / "other.toml").write_text('language = "Other"\n[genre]\nfolk = ["light"]\n')
    with pytest.raises(
        WordsError, match=r"other.toml, \[genre\] 'light': means folk here and pop in english"
    ):
        load_all(tmp_path)
