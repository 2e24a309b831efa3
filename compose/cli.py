"""The command line. Each command imports what it needs when it runs, so that `tutti --help` is quick."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError

from compose.commands import (
    canary,
    capacity,
    doctor,
    generate,
    keys,
    model,
    observe,
    parts,
    settings,
    ship,
    status,
)

app = typer.Typer(
    name="tutti",
    help="Serve the ACE-Step music model to many people at once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (parts, generate, status, capacity, keys, canary, model, doctor, settings, ship, observe):
    app.add_typer(module.app)


def main() -> None:
    """Run one command; a setting that is wrong and a ledger that is away are named rather than traced."""
    try:
        app()
    except ValidationError as error:
        if error.title != "Settings":
            raise
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"TUTTI_{name}: {problem['msg']} (it is {problem['input']!r})", err=True)
        sys.exit(2)
    except Exception as error:
        if not _ledger_is_away(error):
            raise
        typer.echo(f"{error} (TUTTI_LEDGER_URL, TUTTI_DATA)", err=True)
        sys.exit(1)


def _ledger_is_away(error: Exception) -> bool:
    """Whether the ledger says so; where nobody has loaded it, it cannot have said anything."""
    errors = sys.modules.get("tasks.ledger.errors")
    return errors is not None and isinstance(error, errors.LedgerUnavailable)


if __name__ == "__main__":
    main()
