"""The ledger for commands that look into it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import typer

from tasks.ledger import Ledger, LedgerUnavailable
from tasks.settings import settings


@contextlib.contextmanager
def ledger() -> Iterator[Ledger]:
    """Open the ledger that the settings name; where it is away the command says so and ends with 1."""
    try:
        with Ledger.of(settings()) as found:
            yield found
    except LedgerUnavailable as error:
        typer.echo(f"{error} (TUTTI_LEDGER_URL, TUTTI_DATA)", err=True)
        raise typer.Exit(1) from None
