"""The parts, together (`tutti up`) or one by one. Each stops cleanly on SIGTERM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasks.settings import settings

app = typer.Typer()


@app.command()
def up() -> None:
    """Run everything on this machine (what `make run` calls)."""
    from compose.machine import local

    raise typer.Exit(local.up(settings()))


@app.command()
def web(
    uds: Annotated[Path | None, typer.Option(help="Listen on this Unix socket, behind nginx.")] = None,
) -> None:
    """Run the web app: the form, the API, the pages."""
    from web import server

    raise typer.Exit(server.run(settings(), uds=uds))


@app.command()
def dispatch() -> None:
    """Run the dispatcher: it releases queued jobs to the broker and takes back what was lost."""
    from tasks import dispatch

    raise typer.Exit(dispatch.run(settings()))


@app.command()
def worker() -> None:
    """Run the worker of one GPU (TUTTI_DEVICE), or of this machine's CPU."""
    from tasks import worker

    raise typer.Exit(worker.run(settings()))


@app.command()
def gateway(
    watch: Annotated[
        bool, typer.Option(help="Follow the web nodes and the canary; without it only at SIGHUP.")
    ] = True,
) -> None:
    """Run nginx in front of the web app."""
    from compose.machine import gateway

    raise typer.Exit(gateway.run(settings(), watch=watch))


@app.command()
def flower() -> None:
    """Run Flower, the view of the queue, for nginx or the web app to show under /flower."""
    from compose.machine import flower

    flower.run(settings())
