"""`tutti migrate`: a shared ledger's tables, brought up to date by one command and by nothing else."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from tasks.ledger import LedgerUnavailable, whole
from tasks.settings import settings

app = typer.Typer()
PAUSE = 1.0  # seconds between two tries


@app.command()
def migrate(
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a database that does not answer yet.")
    ] = 0.0,
) -> None:
    """Bring the ledger's tables up to date; before the parts of a new version start."""
    until = time.monotonic() + wait
    said = ""
    while True:
        try:
            before, now = whole.bring_up_to_date(settings().ledger)
            break
        except LedgerUnavailable as error:
            if time.monotonic() >= until:
                raise
            if str(error) != said:
                said = str(error)
                typer.echo(f"waits: {said}", err=True)
            time.sleep(PAUSE)
    if before is None:
        typer.echo(f"the ledger has its tables now, of revision {now}")
    elif before == now:
        typer.echo(f"the ledger's tables are up to date: revision {now}")
    else:
        typer.echo(f"the ledger's tables went from revision {before} to {now}")
