"""What the runbook says of a rule, for Kibana's page of an alert.

The text is that of `docs/runbooks.md` of this source tree; a wheel has no docs, and the rule then has the
link alone.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "runbooks.md"
LONGEST = 1000  # characters of a guide that every Kibana since 9.1 takes
HEAD = "From Tutti's runbook"  # by which a later set-up knows its own


@cache
def _sections() -> dict[str, str]:
    if not PAGE.is_file():
        return {}
    parts = re.split(r"^## (\S+)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], map(str.strip, parts[2::2]), strict=True))


def guide(name: str, runbooks: str) -> str | None:
    """The runbook's section of a rule as Markdown, as much as a guide may hold; None without its text."""
    text = _sections().get(name)
    if text is None:
        return None
    page = f"{runbooks}#{name}"
    whole = f"[{page}]({page})" if "://" in runbooks else f"`{page}`"
    head = f"{HEAD}, {whole}\n\n"
    room = LONGEST - len(head)
    text = re.sub(r"\[([^\]]+)\]\(#[^)]+\)", r"\1", text)  # links within the page lead nowhere here
    if len(text) > room:
        text = text[: room - 2].rsplit("\n", 1)[0] + "\n…"
    return head + text
