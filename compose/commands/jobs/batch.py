"""Many rows in one file: JSON lines, or CSV with the fields' names in its first line.

A line is a job's fields. Two more name audio on this machine, which is uploaded first: `source_file` and
`reference_file`. Every line is checked before the first is sent.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tasks.jobs import JobRequest
from web.request import words

UPLOADS = {"source_file": "source_audio", "reference_file": "reference_audio"}
NO_OBJECT = 'has to be an object such as {"prompt": "calm piano"}'
STAND_IN = "0" * 64  # an upload's name, while it is not uploaded


class BatchError(ValueError):
    """Lines that cannot be jobs; the message names each with its number."""


@dataclass(frozen=True)
class Row:
    """One job to be: its fields, and files to upload for it."""

    line: int
    fields: Mapping[str, Any]
    files: Mapping[str, Path]


def read(path: Path) -> list[Row]:
    """All rows of a file, checked.

    Raises:
        BatchError: Some lines are wrong, or the file cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")  # line ends inside a quoted cell stay as they are
    except (OSError, UnicodeDecodeError) as error:
        raise BatchError(f"{path}: {error}") from error
    found = _from_csv(text) if path.suffix.lower() == ".csv" else _from_json_lines(text)
    rows, wrong = [], []
    for line, fields in found:
        try:
            if isinstance(fields, str):
                raise ValueError(fields)
            rows.append(row_of(line, fields, path.parent))
        except ValueError as error:
            wrong.append(f"{path}:{line}: {error}")
    if wrong:
        raise BatchError("\n".join(wrong))
    if not rows:
        raise BatchError(f"{path}: there is no job in it")
    return rows


def _from_json_lines(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Each line's number and its fields, or what is wrong with it. Nothing but a line feed ends a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line, object_pairs_hook=_once_each)
        except (ValueError, RecursionError) as error:
            yield number, f"is not JSON: {error}"
            continue
        yield number, fields if isinstance(fields, dict) else NO_OBJECT


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{', '.join(sorted(twice))} stands there twice")
    return dict(pairs)


def _from_csv(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The same of CSV, where a row may have many lines: the number is of its last one."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = [name.strip() for name in next(rows, [])]
        if twice := {name for name in names if names.count(name) > 1}:
            yield rows.line_num, f"names {', '.join(sorted(twice)) or 'nothing'} twice"
            return
        for row in rows:
            if len(row) != len(names) and row:
                yield rows.line_num, "has another number of cells than the first line"
            elif any(row):
                cells = zip(names, row, strict=True)
                yield rows.line_num, {name: typed(name, cell) for name, cell in cells if cell}
    except csv.Error as error:
        yield rows.line_num, str(error)


def typed(name: str, text: str) -> Any:
    """A cell as its field's type has it; what cannot be so stays text, and the check says so."""
    known = JobRequest.model_fields.get(name)
    if known is None or known.annotation is None or name == "prompt":
        return text
    try:
        return TypeAdapter(known.annotation).validate_python(text)
    except ValidationError:
        return text


def row_of(line: int, fields: Mapping[str, Any], folder: Path = Path()) -> Row:
    """One row, checked as the server will check it.

    Raises:
        ValueError: What is wrong with it.
    """
    files = {ours: folder / str(fields[theirs]) for theirs, ours in UPLOADS.items() if theirs in fields}
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise ValueError(f"{', '.join(missing)} is no file")
    plain = {name: value for name, value in fields.items() if name not in UPLOADS}
    try:
        JobRequest.model_validate_json(json.dumps(plain | dict.fromkeys(files, STAND_IN)), strict=True)
    except ValidationError as error:
        raise ValueError(
            "; ".join(f"{name} {what}" for name, what in words.of_fields(error).items())
        ) from None
    return Row(line, plain, files)
