"""`tutti list`, `tutti get` and `tutti cancel`: your jobs on a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from compose.commands.jobs.connection import AsJson, Exit, Key, Server, asking, code_of, complain
from compose.commands.jobs.follow import print_job
from tasks.jobs import JobState

if TYPE_CHECKING:
    from tutti_client import AsyncTutti, Job

app = typer.Typer()
JobIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of jobs.")]


@app.command("list")
def listing(
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    server: Server = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """List your jobs: your key's, or your address's."""

    async def work(tutti: AsyncTutti) -> Exit:
        found: list[Job] = []
        async for job in tutti.jobs(state=state, page_size=min(limit, 100)):
            found.append(job)
            if len(found) == limit:
                break
        if as_json:
            for job in found:
                print_job(job, as_json=True)
        else:
            Console(highlight=False).print(_table(found) if found else "no jobs")
        return Exit.DONE

    asking(server, key, work, as_json=as_json)


@app.command()
def get(
    job_ids: JobIds,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Fetch the songs into this folder or file.")
    ] = None,
    server: Server = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show jobs, and with -o fetch their songs; what is here already is not fetched again."""

    async def work(tutti: AsyncTutti) -> Exit:
        worst = Exit.DONE
        for job_id in job_ids:
            job = await tutti.get(job_id)
            files = await tutti.save(job, output) if output is not None and job.state == "succeeded" else []
            print_job(job, as_json=as_json, files=files)
            if job.state in {"failed", "cancelled"} or (output is not None and not files):
                worst = max(worst, Exit.NO_SONG)
        return worst

    asking(server, key, work, as_json=as_json)


@app.command()
def cancel(job_ids: JobIds, server: Server = None, key: Key = None, as_json: AsJson = False) -> None:
    """Cancel jobs: at once while they wait, within a step while they run."""

    async def work(tutti: AsyncTutti) -> Exit:
        from tutti_client import TuttiError

        worst = Exit.DONE
        for job_id in job_ids:
            try:
                print_job(await tutti.cancel(job_id), as_json=as_json)
            except TuttiError as error:
                complain(error, as_json=as_json, about=job_id)
                worst = max(worst, code_of(error))
        return worst

    asking(server, key, work, as_json=as_json)


def _table(jobs: list[Job]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("id", "state", "seconds", "made", "prompt"):
        table.add_column(heading, no_wrap=heading != "prompt", max_width=60)
    for job in jobs:
        share = f"running {job.progress:.0%}" if job.state == "running" else job.state
        made = job.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(job.id, share, f"{job.request.duration:g}", made, job.request.prompt[:120])
    return table
