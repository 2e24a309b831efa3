"""`tutti watch`: follow jobs until they end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compose.commands.jobs.connection import AsJson, Exit, Key, Server, asking
from compose.commands.jobs.follow import follow

if TYPE_CHECKING:
    from tutti_client import AsyncTutti

app = typer.Typer()


@app.command()
def watch(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of jobs.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Fetch the songs into this folder or file.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to wait at most.")] = None,
    server: Server = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Follow jobs until they end. With --json each piece of news is a line; a job's last is all of it."""

    async def work(tutti: AsyncTutti) -> Exit:
        return await follow(tutti, job_ids, save_to=output, seconds=timeout, as_json=as_json, updates=True)

    asking(server, key, work, as_json=as_json)
