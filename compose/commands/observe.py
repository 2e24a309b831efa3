"""`tutti observe`: set the observers up, and look without them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from observability.elastic.steps import Step
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
    runbooks: Annotated[str, typer.Option(help="Where alert rules link to.")] = "docs/runbooks.md",
) -> None:
    """Make templates, retention, key, dashboards and rules; change nothing that is right already."""
    from elastic_transport import TransportError
    from elasticsearch import ApiError
    from httpx import HTTPError

    from observability import trust
    from observability.elastic.setup import NewerThanThis
    from observability.kibana.setup import KibanaRefused

    chosen = settings()
    if not chosen.elasticsearch_url and not chosen.kibana_url:
        typer.echo("Set TUTTI_ELASTICSEARCH_URL, and TUTTI_KIBANA_URL for the dashboards.", err=True)
        raise typer.Exit(2)
    own = chosen.elasticsearch_api_key
    key = api_key or (own.get_secret_value() if own else None)
    try:
        if chosen.elasticsearch_url:
            _elasticsearch(chosen.elasticsearch_url, key, retention_days, new_key=new_key)
        if chosen.kibana_url:
            _kibana(chosen.kibana_url, key, runbooks)
    except (NewerThanThis, KibanaRefused, ApiError, TransportError, HTTPError) as problem:
        typer.echo(f"Stopped: {trust.advice(problem) or problem}", err=True)
        raise typer.Exit(1) from None


def _elasticsearch(url: str, key: str | None, retention_days: int, *, new_key: bool) -> None:
    from observability.elastic.setup import setup as set_up
    from observability.shipper.bulk import client

    with client(url, key, bundle=settings().ca_bundle) as server:
        _tell(set_up(server, retention_days=retention_days, new_key=new_key))


def _kibana(url: str, key: str | None, runbooks: str) -> None:
    from observability import trust
    from observability.kibana.setup import setup as set_up

    verify = trust.context(settings().ca_bundle)
    _tell(set_up(url, api_key=key, runbooks=runbooks, verify=verify))


def _tell(steps: list[Step]) -> None:
    for step in steps:
        typer.echo(f"{step.state:10} {step.what:24} {step.detail}")


@observe.command()
def dashboards(
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")] = Path("tutti.ndjson"),
) -> None:
    """Write the dashboards into a file to import in Kibana by hand (Stack Management, Saved Objects)."""
    from observability.kibana.objects import ndjson

    output.write_bytes(ndjson())
    typer.echo(f"Wrote {output}.")


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
    from observability.analytics.digest import Digest

    since = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours) if hours else None
    chosen = settings()
    paths = sorted(chosen.log_path.glob("*.jsonl"))
    digest = chosen.data.absolute() / "analytics"
    Digest(digest).update(paths)
    output.write_text(analytics.report(analytics.build(paths, since=since, digest=digest)), encoding="utf-8")
    typer.echo(f"Wrote {output} from {len(paths)} log files.")
