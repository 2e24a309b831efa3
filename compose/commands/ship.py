"""`tutti ship`: log files to Elasticsearch."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from tasks.security.folders import claim
from tasks.settings import places, settings

app = typer.Typer()
NICE = 15  # serving goes first: what wants the same core loses a tenth of it at most (bench.shipper_beside)


@app.command()
def ship(
    once: Annotated[bool, typer.Option(help="End when everything there is has been shipped.")] = False,
) -> None:
    """Ship the log files to Elasticsearch (TUTTI_ELASTICSEARCH_URL), every line once."""
    from observability import logging
    from observability.shipper import run

    chosen = settings()
    if not chosen.elasticsearch_url:
        typer.echo("Set TUTTI_ELASTICSEARCH_URL to the server that takes the lines.", err=True)
        raise typer.Exit(2)
    claim(chosen)
    logging.configure("tutti-ship", chosen.log_file("ship.jsonl"), chosen.log_level, chosen.node)
    os.nice(NICE)
    key = chosen.elasticsearch_api_key
    code = run(
        url=chosen.elasticsearch_url,
        api_key=key.get_secret_value() if key else None,
        patterns=[places.pattern(chosen.log_path, "*.jsonl*")],
        state=chosen.data.absolute() / "ship",
        once=once,
        bundle=chosen.ca_bundle,
        metrics_port=chosen.shipper_metrics_port,
        metrics_host=chosen.metrics_host,
    )
    raise typer.Exit(code)
