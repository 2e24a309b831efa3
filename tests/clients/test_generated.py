"""What follows from the server's schema, and from the asynchronous client, is what it should be."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "clients" / "python"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = importlib.util.spec_from_file_location("generate_client", CLIENT / "generate.py")
    assert spec
    assert spec.loader
    module = sys.modules["generate_client"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("generated")
    module.write(folder)
    return folder


@pytest.mark.parametrize("name", ["models.py", "fields.py", "sync.py"])
def test_generated_modules_are_up_to_date(fresh: Path, name: str) -> None:
    kept = (CLIENT / "tutti_client" / name).read_text()
    assert kept == (fresh / name).read_text(), "run: .venv/bin/python clients/python/generate.py"


def test_the_plain_client_waits_for_nothing(fresh: Path) -> None:
    text = (fresh / "sync.py").read_text()
    left = re.findall(r"\b(?:async|await|asyncio|aclosing|aiter\w*|Async\w+)\b", text.partition("\n\n")[2])
    assert left == []
