"""Text of others on its way to a terminal, which obeys control characters and shows bidirectional tricks."""

from __future__ import annotations

import contextlib
import io
import os
import sys


def plain(text: str) -> str:
    """The text with a mark in place of each character that is not printed as itself."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def settle() -> None:
    """Make the standard streams take any text, and be there: a service may be started without them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - for the rest of this process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_line(line: str) -> None:
    """Print a line for whoever looks; a full disk or a reader that has gone ends no server."""
    with contextlib.suppress(OSError):
        print(line, flush=True)  # noqa: T201
