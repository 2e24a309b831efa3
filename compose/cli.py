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
    jobs,
    keys,
    mcp,
    model,
    observe,
    parts,
    settings,
    ship,
    status,
    webhooks,
)

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
    doctor,
    settings,
    ship,
    observe,
):
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
        named = _to_look_at(error)
        if named is None:
            raise
        typer.echo(f"{error}{named and f' ({named})'}", err=True)
        sys.exit(1)


# module, error, and the settings to look at; what nobody has loaded cannot have raised anything
KNOWN = (
    ("tasks.ledger.errors", "LedgerUnavailable", "TUTTI_LEDGER_URL, TUTTI_DATA"),
    ("observability.metrics", "CannotServe", "TUTTI_METRICS_HOST, TUTTI_..._METRICS_PORT"),
    ("tasks.security.folders", "FolderRefused", ""),
    ("nginx.process", "GatewayError", ""),
)


def _to_look_at(error: Exception) -> str | None:
    for module, name, named in KNOWN:
        if module in sys.modules and isinstance(error, getattr(sys.modules[module], name)):
            return named
    return None


if __name__ == "__main__":
    main()
