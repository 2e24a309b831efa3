"""Text of others on its way to a terminal, which obeys control characters and shows bidirectional tricks."""

from __future__ import annotations


def plain(text: str) -> str:
    """The text with a mark in place of each character that is not printed as itself."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
