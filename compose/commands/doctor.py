"""`tutti doctor`: what works on this machine, what is missing, and what to do about it."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.text import Text

from tasks.settings import settings

app = typer.Typer()
MARKS = {"ok": "green", "note": "yellow", "bad": "red"}


@app.command()
def doctor() -> None:
    """Look this machine over; ends with 1 where something will not work."""
    from compose.doctor import CHECKS

    console = Console(highlight=False)
    findings = [finding for check in CHECKS for finding in check(settings())]
    for finding in findings:
        # what is found may hold any letters, so it is no markup
        console.print(
            Text(f"{finding.level:>4}  ", MARKS[finding.level]).append(finding.text, ""), soft_wrap=True
        )
    raise typer.Exit(int(any(finding.level == "bad" for finding in findings)))
