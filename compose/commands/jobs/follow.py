"""Jobs on their way, seen from the command line: a bar for each, and their songs on the disk at the end."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from compose.commands.jobs.connection import Exit, code_of, complain

if TYPE_CHECKING:
    from tutti_client import AsyncTutti, Job, Update

BARS = 12  # more would scroll


async def follow(
    tutti: AsyncTutti,
    job_ids: Sequence[str],
    *,
    save_to: Path | None,
    seconds: float | None,
    as_json: bool,
    updates: bool = False,
) -> Exit:
    """Wait until all jobs have ended, fetch their songs, and tell of each.

    Args:
        tutti: The server.
        job_ids: The jobs.
        save_to: Where their songs go; nothing is fetched without it.
        seconds: To wait for all of them at most.
        as_json: A line of JSON for each job that has ended.
        updates: One for each news as well.

    Returns:
        The worst of their ends.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<32}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    shown = sys.stderr.isatty() and not as_json
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not shown) as bars:
        whole = bars.add_task(f"{len(job_ids)} jobs", total=len(job_ids)) if len(job_ids) > 1 else None

        async def one(job_id: str) -> Exit:
            bar = bars.add_task(job_id, total=1.0, visible=len(job_ids) <= BARS)
            try:
                return await _one(
                    tutti,
                    job_id,
                    ProgressView(bars, bar, updates=updates and as_json),
                    save_to,
                    deadline,
                    as_json,
                )
            finally:
                bars.update(bar, visible=False)
                if whole is not None:
                    bars.advance(whole)

        try:
            codes = await asyncio.gather(*(one(job_id) for job_id in job_ids))
        except asyncio.CancelledError:
            typer.echo(f"They go on without you: tutti watch {' '.join(job_ids)}", err=True)
            raise
    return max(codes, default=Exit.DONE)


class ProgressView:
    """Shows a job's news, as a bar or as lines of JSON."""

    def __init__(self, bars: Progress, task: TaskID, *, updates: bool) -> None:
        self._bars, self._task, self._updates = bars, task, updates

    def show(self, job_id: str, update: Update) -> None:
        """Take one."""
        words = update.stage or update.state
        if update.state == "queued" and update.position:
            words = f"number {update.position} in line"
        self._bars.update(self._task, completed=update.progress, description=f"{job_id[-6:]} {words}")
        if self._updates and update.job is None:
            known = {"id": job_id, "state": update.state, "progress": update.progress}
            typer.echo(json.dumps(known | {"stage": update.stage, "position": update.position}))


async def _one(
    tutti: AsyncTutti,
    job_id: str,
    bar: ProgressView,
    save_to: Path | None,
    deadline: float | None,
    as_json: bool,
) -> Exit:
    from tutti_client import JobEnded, TuttiError

    left = None if deadline is None else max(0.001, deadline - time.monotonic())
    try:
        job = await tutti.wait(job_id, timeout=left, on_update=lambda update: bar.show(job_id, update))
        files = await tutti.save(job, save_to) if save_to is not None else []
    except JobEnded as error:
        if as_json:
            print_job(error.job, as_json=True)
        else:
            complain(error, as_json=False, about=job_id)
        return Exit.NO_SONG
    except TuttiError as error:
        complain(error, as_json=as_json, about=job_id)
        return code_of(error)
    except OSError as error:
        typer.echo(f"{job_id}: cannot write the song: {error}", err=True)
        return Exit.WRONG_COMMAND
    print_job(job, as_json=as_json, files=files)
    return Exit.DONE


def print_job(job: Job, *, as_json: bool, files: Sequence[Path] = ()) -> None:
    """Print one job: a line of JSON, or what a person wants to know of it."""
    if as_json:
        known = job.model_dump(mode="json", by_alias=True)
        typer.echo(json.dumps(known | ({"files": [str(path) for path in files]} if files else {})))
        return
    if job.state != "succeeded":
        why = f": {job.error.detail}" if job.error else ""
        share = f" {job.progress:.0%}" if job.state == "running" else ""
        typer.echo(f"{job.id}  {job.state}{share}{why}")
        return
    for place in [str(path) for path in files] or [output.url or output.name for output in job.outputs]:
        typer.echo(f"{job.id}  {place}")
