"""Writes the parts of the client that follow from others: models from `/openapi.json`, `sync` from `aio`.

    .venv/bin/python clients/python/generate.py

A test runs it into another folder and compares, so that neither can fall behind. `sync` is `aio` without its
asynchronous words; a rewriter of syntax trees would lose the comments, and a list of words is enough.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PACKAGE = HERE / "tutti_client"
ABOUT_SYNC = "The client for code without an event loop: `aio` without its async words."
BEGIN = '"""{about}\n\nWritten by generate.py; do not edit.\n"""\n'

NAMES = {"JobView": "Job", "AcceptedView": "Accepted", "OutputView": "Output", "PageView": "Page"}
ANSWERS = ("JobView", "AcceptedView", "PageView", "Upload", "Problem")
DROPPED = {
    "title", "examples", "pattern", "additionalProperties", "minLength", "maxLength", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems",
}  # fmt: skip

WORDS = {
    r"\basync def\b": "def",
    r"\basync with\b": "with",
    r"\basync for\b": "for",
    r"\bawait ": "",
    r"\bAsyncTutti\b": "Tutti",
    r"\bAsyncClient\b": "Client",
    r"\bAsyncIterator\b": "Iterator",
    r"\bAsyncGenerator\[(\w+), None\]": r"Generator[\1, None, None]",
    r"\bAsyncGenerator\b": "Generator",
    r"\bAsyncBaseTransport\b": "BaseTransport",
    r"\b__aenter__\b": "__enter__",
    r"\b__aexit__\b": "__exit__",
    r"\baiter_(lines|bytes|raw)\b": r"iter_\1",
    r"\baclosing\b": "closing",
    r"\baclose\b": "close",
    r"\baread\b": "read",
    r"\basyncio\.sleep\b": "time.sleep",
    r"\bimport asyncio\n": "",
    r"\bthread\(": "here(",
    r"\bimport thread\b": "import here",
}
"""What makes `sync` of `aio`."""


def schema() -> dict[str, Any]:
    """The server's OpenAPI document, from its code beside this folder."""
    from tasks.settings import Settings
    from web.app import create_app

    with tempfile.TemporaryDirectory() as folder:
        return create_app(Settings(data=Path(folder))).openapi()


def write(folder: Path = PACKAGE) -> None:
    """Write `models.py`, `fields.py` and `sync.py` into a folder."""
    known = schema()["components"]["schemas"]
    answers = _bare(_opened(_renamed(_needed(known, ANSWERS))))
    _generate(answers, folder / "models.py", "pydantic_v2.BaseModel", "What the server answers.")
    asked = _bare(_renamed(_needed(known, ("JobRequest",))))
    fields = _for_asking(asked.pop("JobRequest"))
    _generate(
        {"JobFields": fields} | asked,
        folder / "fields.py",
        "typing.TypedDict",
        "What may be asked for beside the prompt.",
    )
    source = (PACKAGE / "aio.py").read_text(encoding="utf-8")
    (folder / "sync.py").write_text(without_async(source), encoding="utf-8")
    _tidy(folder, "models.py", "fields.py", "sync.py")


def without_async(source: str) -> str:
    """The same code for callers that have no event loop."""
    body = re.sub(r'\A""".*?"""\n', "", source, count=1, flags=re.DOTALL)
    for words, plain in WORDS.items():
        body = re.sub(words, plain, body)
    return BEGIN.format(about=ABOUT_SYNC) + body


def _needed(known: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """These schemas, and those that they speak of."""
    found: dict[str, Any] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = copy.deepcopy(known[name])
            waiting += re.findall(r"#/components/schemas/(\w+)", json.dumps(known[name]))
    return {name: found[name] for name in sorted(found)}


def _renamed(schemas: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(schemas)
    for theirs, ours in NAMES.items():
        text = re.sub(rf'(#/components/schemas/|")\b{theirs}\b', rf"\g<1>{ours}", text)
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def _opened(schemas: dict[str, Any]) -> dict[str, Any]:
    """Lists of words as any text: they may grow, and a client that knows fewer still reads the answer."""
    words = {f"#/components/schemas/{name}" for name, schema in schemas.items() if "enum" in schema}
    kept = {name: schema for name, schema in schemas.items() if "enum" not in schema}

    def open_(schema: Any) -> Any:
        if isinstance(schema, list):
            return [open_(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if schema.get("$ref") in words:
            return {"type": "string"}
        return {key: open_(value) for key, value in schema.items() if key != "enum"}

    opened: dict[str, Any] = open_(kept)
    return opened


def _bare(schema: Any) -> Any:
    """Without titles, which say nothing, and bounds, which are the server's to check."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _bare(value) for key, value in schema.items() if key not in DROPPED or isinstance(value, dict)
    }


def _for_asking(request: dict[str, Any]) -> dict[str, Any]:
    """The request's fields as keyword arguments; the prompt stands by itself, all else may be left out."""
    request["properties"].pop("prompt")
    request["required"] = []
    return request


def _generate(schemas: dict[str, Any], path: Path, kind: str, about: str) -> None:
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Tutti", "version": "1"},
        "paths": {},
        "components": {"schemas": schemas},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        command = [
            sys.executable, "-m", "datamodel_code_generator", "--input", file.name, "--output", str(path),
            "--input-file-type", "openapi", "--output-model-type", kind, "--target-python-version", "3.11",
            "--use-annotated", "--enum-field-as-literal", "all", "--use-union-operator",
            "--allow-extra-fields",
            "--use-standard-collections", "--use-schema-description", "--use-field-description",
            "--disable-timestamp", "--no-use-specialized-enum", "--custom-file-header",
            BEGIN.format(about=about).strip(), "--use-inline-field-description", "--strict-nullable",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(done.stderr)
    text = path.read_text(encoding="utf-8")
    text = re.sub(r'^( +)"""\n? *(\S.*)\n +"""\n', r'\1"""\2"""\n', text, flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")


def _tidy(folder: Path, *names: str) -> None:
    paths = [str(folder / name) for name in names]
    config = str(HERE.parents[1] / "pyproject.toml")
    ruff = [sys.executable, "-m", "ruff"]
    mend = [*ruff, "check", "--quiet", "--fix", "--unsafe-fixes", "--exit-zero", "--select", "I,F,UP,D212"]
    subprocess.run([*mend, "--config", config, *paths], check=True)  # noqa: S603
    subprocess.run([*ruff, "format", "--quiet", "--config", config, *paths], check=True)  # noqa: S603


if __name__ == "__main__":
    write()
