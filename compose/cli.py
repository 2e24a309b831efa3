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
    jobs,
    keys,
    mcp,
    migrate,
    model,
    observe,
    parts,
    settings,
    ship,
    status,
    webhooks,
)
from compose.machine.terminal import settle
from tasks.settings import environment
from tasks.settings.checked import complaints
from tasks.settings.sources import WrongSettings

app = typer.Typer(
    name="tutti",
    help="Serve the ACE-Step music model to many people at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for module in (
    parts,
    generate,
    jobs,
    status,
    capacity,
    keys,
    mcp,
    webhooks,
    canary,
    model,
    backup,
    migrate,
    doctor,
    settings,
    ship,
    observe,
):
    app.add_typer(module.app)
# What shells ask with when somebody presses Tab: typer reads it from the environment.
COMPLETION = (
    "_TUTTI_COMPLETE",
    "COMP_WORDS",
    "COMP_CWORD",
    "_TYPER_COMPLETE_ARGS",
    "_TYPER_COMPLETE_FISH_ACTION",
    "_TYPER_COMPLETE_WORD_TO_COMPLETE",
)


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
    environment.clean(COMPLETION)
    settle()
    try:
        app(prog_name="tutti")  # however it was started: completion and help name what people type
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
    named = _to_look_at(error)
    text = str(error) if _is_told(error) else f"{type(error).__name__}: {error}"
    return f"{text} ({named})" if named else text


# module, error, and the settings to look at; what nobody has loaded cannot have raised anything
KNOWN = (
    ("tasks.ledger.values.errors", "LedgerUnavailable", "TUTTI_LEDGER_URL, TUTTI_DATA"),
    ("observability.metrics", "CannotServe", "TUTTI_METRICS_HOST, TUTTI_..._METRICS_PORT"),
)


def _to_look_at(error: Exception) -> str | None:
    for module, name, named in KNOWN:
        if module in sys.modules and isinstance(error, getattr(sys.modules[module], name)):
            return named
    return None


if __name__ == "__main__":
    main()
