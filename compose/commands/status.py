"""`tutti status`: every part of every host with its state and cause, jobs and queues; cordons of workers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from compose.machine.terminal import plain
from tasks import cluster
from tasks.cluster import ClusterView, PartState
from tasks.jobs import JobState
from tasks.ledger import Ledger, QueueView, WorkerView
from tasks.settings import settings

app = typer.Typer()
GIBIBYTE = 2**30
Worker = Annotated[str, typer.Argument(help="Its name, as `tutti status` shows it, such as gpu0@node1.")]


@app.command()
def status() -> None:
    """Show every part with its state, jobs and queues. Ends with 1 where no worker lives."""
    console = Console(highlight=False, markup=False)
    chosen = settings()
    from tasks.queue.control import answering  # Celery's application reads the settings when it is imported

    with Ledger.of(chosen) as ledger:
        counters = ledger.views.counters()
        seen = cluster.survey(ledger, partial(answering, chosen))
    console.print("jobs   ", " · ".join(f"{counters.get(state, 0):,} {state}" for state in JobState))
    console.print("broker ", plain(seen.broker))
    if not seen.of("worker"):
        console.print("workers none has ever registered: tutti worker")
    console.print(_parts(seen))
    if alive := [worker for worker in seen.workers if worker.alive]:
        console.print(_workers(alive))
    if seen.queues:
        console.print(_queues(seen.queues))
    for node, storage in sorted(seen.storage.items()):
        console.print("storage", plain(f"{node}: {_room(storage)}"))
    for trouble in seen.troubles:
        console.print("trouble", plain(trouble))
    raise typer.Exit(int(not any(worker.alive for worker in seen.workers)))


@app.command()
def cordon(worker: Worker) -> None:
    """Let a worker take no more jobs; those that it runs are finished."""
    _cordon(worker, on=True)


@app.command()
def uncordon(worker: Worker) -> None:
    """Let a worker that was cordoned take jobs again."""
    _cordon(worker, on=False)


def _cordon(worker: str, *, on: bool) -> None:
    with Ledger.of(settings()) as ledger:
        if not ledger.parts.cordon(worker, on):
            typer.echo(f"no worker {worker} is known; `tutti status` lists them", err=True)
            raise typer.Exit(1)
    typer.echo(f"{worker} takes {'no more jobs' if on else 'jobs again'} within {cluster.EVERY_SECONDS:g} s")


def _parts(seen: ClusterView) -> Table:
    table = _table("part", "name", "state", "version")
    for part in seen.parts:
        table.add_row(part.kind, plain(part.name), _state(part), plain(part.version))
    return table


def _state(part: PartState) -> str:
    return f"{part.state} {_span(part.silent_seconds)}" if part.state == "silent" else plain(part.state)


def _workers(workers: Sequence[WorkerView]) -> Table:
    table = _table("worker", "engine", "jobs", "memory", "busy", "serves")
    for worker in workers:
        table.add_row(plain(worker.id), *_described(worker))
    return table


def _described(worker: WorkerView) -> tuple[str, ...]:
    return (
        plain(f"{worker.engine} {worker.model_version}") + ("" if worker.model_loaded else " (not loaded)"),
        f"{worker.running}/{worker.slots}",
        _memory(worker),
        "" if worker.gpu_busy is None else f"{worker.gpu_busy:.0%}",
        plain(" ".join(worker.queues)),
    )


def _queues(queues: Sequence[QueueView]) -> Table:
    table = _table("queue", "waiting", "released", "running", "oldest")
    for queue in queues:
        numbers = (queue.waiting, queue.released, queue.running)
        table.add_row(plain(queue.name), *(f"{number:,}" for number in numbers), _span(queue.oldest_seconds))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for number, heading in enumerate(headings):
        table.add_column(heading, no_wrap=number == 0)  # what people copy is never cut
    return table


def _memory(worker: WorkerView) -> str:
    if worker.gpu_memory_used is None or not worker.gpu_memory_total:
        return ""
    return f"{worker.gpu_memory_used / GIBIBYTE:.1f}/{worker.gpu_memory_total / GIBIBYTE:.0f} GiB"


def _room(storage: dict[str, object]) -> str:
    free, total = storage.get("free_bytes"), storage.get("total_bytes")
    if isinstance(free, int | float) and isinstance(total, int | float):
        return f"{free / GIBIBYTE:,.1f} of {total / GIBIBYTE:,.1f} GiB free"
    return str(storage.get("error") or "not known yet")


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
