"""`tutti mcp`: songs for assistants."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from compose.commands.jobs.connection import Key, Server, client_of

app = typer.Typer()


@app.command()
def mcp(
    folder: Annotated[Path, typer.Option(help="Where songs are saved, and nowhere else.")] = Path("songs"),
    server: Server = None,
    key: Key = None,
) -> None:
    """Serve tools to an assistant over standard input and output (Model Context Protocol)."""
    try:
        from compose.commands.assistant import server_of
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "mcp":
            raise
        typer.echo("This needs the SDK of the protocol: pip install 'tutti[mcp]'", err=True)
        raise typer.Exit(1) from error

    async def run() -> None:
        async with client_of(server, key) as tutti:
            await server_of(tutti, folder.absolute()).run_stdio_async()

    asyncio.run(run())
