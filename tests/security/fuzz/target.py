"""One parser at a border, what it is fed with, and what may come of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.security.odd import ODD


@dataclass(frozen=True)
class Target:
    """One parser: what it is fed with, and a check of what comes of that, which raises if it should not."""

    name: str
    strategy: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    examples: int = 150  # at once; an upload is decoded in a process of its own


TEXT = st.one_of(st.text(max_size=300), st.sampled_from(ODD))
LATIN = st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))
HEADER = st.one_of(LATIN, st.sampled_from(ODD))


def says(text: str, words: str) -> None:
    """The refusal is the one that is meant."""
    assert words in text, text
