"""`tutti observe`: set the observers up, and look without them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from tasks.settings import settings

app = typer.Typer()
observe = typer.Typer(help="Set up Elasticsearch and Kibana; make a report from the log files.")
app.add_typer(observe, name="observe")


@observe.command()
def setup(
    api_key: Annotated[
        str | None, typer.Option(help="Key of an administrator; default: TUTTI_ELASTICSEARCH_API_KEY.")
    ] = None,
    retention_days: Annotated[int, typer.Option(min=1, help="Days that lines are kept.")] = 30,
    new_key: Annotated[bool, typer.Option(help="Make another API key for `tutti ship`.")] = False,
) -> None:
    """Make templates, retention and the shipper's key; change nothing that is right already."""
    from elastic_transport import TransportError
    from elasticsearch import ApiError

    from observability.elastic.setup import NewerThanThis
    from observability.elastic.setup import setup as set_up
    from observability.shipper.bulk import client

    chosen = settings()
    if not chosen.elasticsearch_url:
        typer.echo("Set TUTTI_ELASTICSEARCH_URL to the server to set up.", err=True)
        raise typer.Exit(2)
    own = chosen.elasticsearch_api_key
    key = api_key or (own.get_secret_value() if own else None)
    try:
        with client(chosen.elasticsearch_url, key) as server:
            steps = set_up(server, retention_days=retention_days, new_key=new_key)
    except (NewerThanThis, ApiError, TransportError) as problem:
        typer.echo(f"Elasticsearch: {problem}", err=True)
        raise typer.Exit(1) from None
    for step in steps:
        typer.echo(f"{step.state:10} {step.what:24} {step.detail}")


@observe.command()
def report(
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file to write.")] = Path(
        "tutti.html"
    ),
    hours: Annotated[
        float | None, typer.Option(min=0, help="Only the last hours; default: all there is.")
    ] = None,
) -> None:
    """Write every panel from the log files into one HTML file that needs no server and no network."""
    from observability import analytics

    since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours) if hours else None
    paths = sorted(settings().log_path.glob("*.jsonl"))
    output.write_text(analytics.report(analytics.build(paths, since=since)), encoding="utf-8")
    typer.echo(f"Wrote {output} from {len(paths)} log files.")
