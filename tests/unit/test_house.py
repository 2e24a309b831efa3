"""docs/design.md is true: its paths are there, its words are code, and no retired word came back."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAP = (ROOT / "docs" / "design.md").read_text()
ROOMS = ("tasks", "web", "nginx", "observability", "compose")
WORDS = re.findall(r"^\| ([\w -]+) \| .*? \| `([\w/.]+)(?::(\w+))?` \|$", MAP, re.MULTILINE)
RETIRED = {
    "Courier", "Desk", "Fast", "Flight", "Gate", "Keeper", "Place", "Room", "Seal", "Shifts",
    "StandingReport", "Together", "Visit",
}  # fmt: skip
LONGEST = 330  # lines; "about 300" with its imports


def modules() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def defined(path: Path) -> set[str]:
    """Classes, functions and names that a module defines at its top."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


CLASSES = {
    (path.relative_to(ROOT).as_posix(), node.name)
    for path in modules()
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.ClassDef)
}


def test_the_words_are_read() -> None:
    assert len(WORDS) > 15


@pytest.mark.parametrize(("word", "path", "name"), WORDS)
def test_a_word_is_code_once_and_where_the_map_says(word: str, path: str, name: str) -> None:
    assert (ROOT / path).exists()
    if name:
        assert name in defined(ROOT / path)
        elsewhere = {where for where, other in CLASSES if other == name and where != path}
        assert not elsewhere, f"{word} means something else in {elsewhere}"


def test_no_retired_word_names_a_class() -> None:
    assert {(where, name) for where, name in CLASSES if name in RETIRED} == set()


def rooms_of_the_map() -> list[str]:
    drawing = MAP.split("## 2. Rooms", 1)[1].split("```")[1]
    found, top = [], ""
    for line in drawing.splitlines():
        if match := re.match(r"^( *)([\w.]+/?)(?= )", line):
            indent, name = len(match[1]), match[2]
            if indent == 0:
                top = name
            if indent in {0, 2}:
                found.append(name if indent == 0 else top + name)
    return found


@pytest.mark.parametrize("room", rooms_of_the_map())
def test_a_room_of_the_map_is_there(room: str) -> None:
    assert (ROOT / room).exists()


def test_every_room_is_on_the_map() -> None:
    known = {room.rstrip("/") for room in rooms_of_the_map()}
    folders = {path.parent.relative_to(ROOT) for path in modules()}
    rooms = {
        folder.as_posix()
        for folder in folders
        if folder.parts[0] in {"tasks", "web"} and len(folder.parts) == 2
    }
    assert rooms <= known


def test_modules_stay_short() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in modules()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_docstrings_speak_one_dialect() -> None:
    """No blank line before the closing quotes; what an argument is begins with a capital."""
    wrong = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                text = ast.get_docstring(node, clean=False) or ""
                if re.search(r"\n\s*\n\s*$", text) or re.search(
                    r"Args:\n\s+\w+: (?:the|a|an|where|what|whether) ", text
                ):
                    wrong.append((path.relative_to(ROOT).as_posix(), getattr(node, "name", "module")))
    assert wrong == []
