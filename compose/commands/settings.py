"""`tutti settings`: every setting with its value and meaning."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tasks.settings import Settings, settings

app = typer.Typer()


@app.command(name="settings")
def show(plain: Annotated[bool, typer.Option(help="NAME=value lines, for a file.")] = False) -> None:
    """Print every setting: its name, its value here, what it means. Secrets are not shown."""
    current = settings()
    if plain:
        for name in Settings.model_fields:
            typer.echo(f"{_variable(name)}={_value(current, name)}")
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("setting", "value", "meaning"):
        table.add_column(heading, overflow="fold")
    for name, field in Settings.model_fields.items():
        table.add_row(_variable(name), _value(current, name), field.description or "")
    Console().print(table)


def _variable(name: str) -> str:
    return f"TUTTI_{name.upper()}"


def _value(current: Settings, name: str) -> str:
    value = getattr(current, name)
    return "" if value is None else str(value)
