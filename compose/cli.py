"""The command line. Each command imports what it needs when it runs, so that `tutti --help` is quick."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError

from compose.commands import canary, capacity, doctor, generate, keys, observe, parts, settings, ship, status

app = typer.Typer(
    name="tutti",
    help="Serve the ACE-Step music model to many people at once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (parts, generate, status, capacity, keys, canary, doctor, settings, ship, observe):
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
        hint = next((hint for place, name, hint in FORESEEN if _is(error, place, name)), None)
        if hint is None:
            raise
        typer.echo(f"{error}{hint}", err=True)
        sys.exit(1)


FORESEEN = (
    ("tasks.ledger.errors", "LedgerUnavailable", " (TUTTI_LEDGER_URL, TUTTI_DATA)"),
    ("tasks.security.folders", "FolderRefused", ""),
    ("nginx.process", "GatewayError", ""),
)
"""What ends a command with a sentence rather than a traceback: its module, its name, and a hint."""


def _is(error: Exception, place: str, name: str) -> bool:
    """Whether it is that error; where nobody has loaded its module, it cannot be."""
    module = sys.modules.get(place)
    return module is not None and isinstance(error, getattr(module, name))


if __name__ == "__main__":
    main()
