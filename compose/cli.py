"""The command line. Each command imports what it needs when it runs, so that `tutti --help` is quick."""

from __future__ import annotations

if __name__ == "__main__":  # before all else: see there
    from compose import door

    door.enter()

import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer
from pydantic import ValidationError

from compose.commands import (
    backup,
    canary,
    capacity,
    doctor,
    generate,
    keys,
    observe,
    parts,
    settings,
    ship,
    status,
)
from tasks import environment
from tasks.checked import complaints
from tasks.sources import WrongSettings

app = typer.Typer(
    name="tutti",
    help="Serve the ACE-Step music model to many people at once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (parts, generate, status, capacity, keys, canary, backup, doctor, settings, ship, observe):
    app.add_typer(module.app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tutti {version('tutti')}")
        raise typer.Exit


@app.callback()
def _options(
    shown: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Serve the ACE-Step music model to many people at once."""


def main() -> None:
    """Run one command; what goes wrong at a start is named in one line rather than traced."""
    environment.clean()
    try:
        app()
    except (ValidationError, WrongSettings) as error:
        if isinstance(error, ValidationError) and error.title != "Settings":
            raise
        for line in complaints(error):
            typer.echo(line, err=True)
        sys.exit(2)
    except Exception as error:
        if not _is_told(error):
            traceback.print_exc()
        typer.echo(f"tutti {' '.join(sys.argv[1:2])}: {_told(error)}", err=True)
        sys.exit(1)


def _is_told(error: Exception) -> bool:
    """Whether the text says to whoever runs Tutti what to do, so that a trace would only hide it."""
    ours = type(error).__module__.split(".")[0] in {"tasks", "nginx", "web", "compose", "observability"}
    return ours or isinstance(error, OSError)


def _told(error: Exception) -> str:
    if _ledger_is_away(error):
        return f"{error} (TUTTI_LEDGER_URL, TUTTI_DATA)"
    return str(error) if _is_told(error) else f"{type(error).__name__}: {error}"


def _ledger_is_away(error: Exception) -> bool:
    """Whether the ledger says so; where nobody has loaded it, it cannot have said anything."""
    errors = sys.modules.get("tasks.ledger.errors")
    return errors is not None and isinstance(error, errors.LedgerUnavailable)


if __name__ == "__main__":
    main()
