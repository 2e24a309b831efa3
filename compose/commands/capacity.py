"""`tutti capacity`: what the workers can make in an hour, and how many a given load needs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Annotated

import typer

from tasks.jobs import Job, JobState
from tasks.ledger import Ledger
from tasks.settings import settings

app = typer.Typer()
SAMPLE = 200  # newest songs that the figures rest on
BUSY = 0.7  # share of the time a worker should work: beyond it, waits grow quickly
HOUR = 3600


@app.command()
def capacity(
    rate: Annotated[float | None, typer.Option(help="Songs an hour that are to be made.", min=0)] = None,
) -> None:
    """Tell how many songs an hour the workers can make, by the newest songs' times."""
    with Ledger.of(settings()) as ledger:
        page = ledger.views.page(state=JobState.SUCCEEDED, limit=SAMPLE)
        slots = [worker.slots for worker in ledger.views.workers() if worker.alive]
        queued = ledger.views.counters().get(JobState.QUEUED, 0)
    made = [job for job in page.jobs if job.started_at and not job.cache_hit]
    if not made:
        typer.echo("no song was made yet: make a few of the kind you expect, then ask again")
        raise typer.Exit(1)
    for line in _report(made, slots, queued, rate):
        typer.echo(line)


def _report(made: Sequence[Job], slots: Sequence[int], queued: int, rate: float | None) -> list[str]:
    run = statistics.median(_run_seconds(job) for job in made)
    audio = statistics.median(job.request.duration * job.request.variations for job in made)
    each = HOUR / run * (statistics.mean(slots) if slots else 1)
    lines = [
        f"a song of {audio:g} s takes {run:.1f} s, {audio / run:.1f}x real time (median of {len(made)} songs)"
    ]
    if slots:
        total = each * len(slots)
        lines.append(f"living workers: {len(slots)}, each {each:,.0f} songs an hour, {total:,.0f} in all")
        lines.append(f"queued: {queued:,}, done in about {queued / total * 60:.0f} min")
    else:
        lines.append(f"no worker lives; one would make {each:,.0f} songs an hour")
    if rate is not None:
        needed = math.ceil(rate / (each * BUSY)) or 1
        lines.append(f"workers for {rate:,.0f} songs an hour, {BUSY:.0%} busy: {needed}")
    return lines


def _run_seconds(job: Job) -> float:
    """Seconds from claim to file, never zero."""
    assert job.started_at  # noqa: S101 - chosen so
    assert job.finished_at  # noqa: S101 - it succeeded
    return max((job.finished_at - job.started_at).total_seconds(), 0.001)
