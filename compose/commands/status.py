"""`tutti status`: jobs, queues and workers, as the ledger knows them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.table import Table

from compose.machine.terminal import plain
from tasks.jobs import JobState
from tasks.ledger import Ledger, QueueView, WorkerView
from tasks.settings import settings

app = typer.Typer()
GIBIBYTE = 2**30


@app.command()
def status() -> None:
    """Show jobs by state, queues and workers. Ends with 1 where no worker lives."""
    console = Console(highlight=False, markup=False)
    with Ledger.of(settings()) as ledger:
        counters, queues, workers = ledger.views.counters(), ledger.views.queues(), ledger.views.workers()
    console.print("jobs   ", " · ".join(f"{counters.get(state, 0):,} {state}" for state in JobState))
    console.print(_workers(workers) if workers else "workers none has ever registered: tutti worker")
    if queues:
        console.print(_queues(queues))
    raise typer.Exit(int(not any(worker.alive for worker in workers)))


def _workers(workers: Sequence[WorkerView]) -> Table:
    table = _table("worker", "state", "engine", "jobs", "memory", "busy", "serves")
    for worker in workers:
        table.add_row(
            plain(worker.id),
            "alive" if worker.alive else f"gone {_ago(worker.seen_at)}",
            plain(f"{worker.engine} {worker.model_version}")
            + ("" if worker.model_loaded else " (not loaded)"),
            f"{worker.running}/{worker.slots}",
            _memory(worker),
            "" if worker.gpu_busy is None else f"{worker.gpu_busy:.0%}",
            plain(" ".join(worker.queues)),
        )
    return table


def _queues(queues: Sequence[QueueView]) -> Table:
    table = _table("queue", "waiting", "released", "running", "oldest")
    for queue in queues:
        numbers = (queue.waiting, queue.released, queue.running)
        table.add_row(plain(queue.name), *(f"{number:,}" for number in numbers), _span(queue.oldest_seconds))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading)
    return table


def _memory(worker: WorkerView) -> str:
    if worker.gpu_memory_used is None or not worker.gpu_memory_total:
        return ""
    return f"{worker.gpu_memory_used / GIBIBYTE:.1f}/{worker.gpu_memory_total / GIBIBYTE:.0f} GiB"


def _ago(moment: float) -> str:
    return f"{_span(time.time() - moment)} ago"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
