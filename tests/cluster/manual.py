"""The blocks of docs/operating.md that say what stands and runs on which host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MANUAL = Path(__file__).parents[2] / "docs" / "operating.md"
BLOCK = re.compile(r"^```(\w+) (\S+) on ([\w, -]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block: `what` is a file's path, "once" for commands that end, or "always" for one that stays."""

    what: str
    hosts: Sequence[str]
    text: str


def blocks(path: Path = MANUAL) -> Iterator[Block]:
    """The blocks, in the manual's order."""
    for _, what, hosts, text in BLOCK.findall(path.read_text()):
        yield Block(what, [name.strip() for name in hosts.split(",")], text)


def hosts() -> list[str]:
    """Every host that the manual names, in its order."""
    return list(dict.fromkeys(name for block in blocks() for name in block.hosts))
