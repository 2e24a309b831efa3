"""`tutti observe`: set the observers up, and look without them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from observability.elastic.steps import SetupStep
from tasks.settings import settings

if TYPE_CHECKING:
    from observability.kibana.setup import Access

app = typer.Typer()
observe = typer.Typer(help="Set up Elasticsearch and Kibana; make a report from the log files.")
app.add_typer(observe, name="observe")


@observe.command()
def setup(
    api_key: Annotated[
        str | None, typer.Option(help="Key of an administrator; default: TUTTI_ELASTICSEARCH_API_KEY.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Sign in as this user instead; the password is asked for.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="The file with the password of --user.", exists=True, dir_okay=False)
    ] = None,
    retention_days: Annotated[int, typer.Option(min=1, help="Days that lines are kept.")] = 30,
    failure_days: Annotated[
        int, typer.Option(min=1, help="Days that lines are kept that do not fit the mappings.")
    ] = 14,
    new_key: Annotated[bool, typer.Option(help="Make another API key for `tutti ship`.")] = False,
    runbooks: Annotated[str, typer.Option(help="Where alert rules link to.")] = "docs/runbooks.md",
    replace_dashboards: Annotated[
        bool, typer.Option(help="Replace the dashboards that are there; what people changed in them is lost.")
    ] = False,
) -> None:
    """Make templates, retention, key, dashboards and rules; change nothing that is right already.

    Only a user can make the key for `tutti ship`: with an API key all else is done, and what makes it shown.
    """
    from observability.kibana.setup import Access

    chosen = settings()
    if not chosen.elasticsearch_url and not chosen.kibana_url:
        typer.echo("Set TUTTI_ELASTICSEARCH_URL, and TUTTI_KIBANA_URL for the dashboards.", err=True)
        raise typer.Exit(2)
    if api_key and user:
        typer.echo("Give --api-key or --user, not both.", err=True)
        raise typer.Exit(2)
    own = chosen.elasticsearch_api_key
    key = api_key or (own.get_secret_value() if own else None)
    access = Access(user=(user, _password(user, password_file))) if user else Access(api_key=key)
    well = True
    if elastic := chosen.elasticsearch_url:
        well &= _try(lambda: _elasticsearch(elastic, access, retention_days, failure_days, new_key))
    if kibana := chosen.kibana_url:
        well &= _try(lambda: _kibana(kibana, access, runbooks, replace_dashboards))
    if not well:
        raise typer.Exit(1)


def _password(user: str, file: Path | None) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    asked: str = typer.prompt(f"Password of {user}", hide_input=True, err=True)
    return asked


def _try(do: Callable[[], None]) -> bool:
    """Do one of the two; what keeps one from being set up does not keep the other."""
    from elastic_transport import TransportError
    from elasticsearch import ApiError
    from httpx import HTTPError

    from observability import trust
    from observability.elastic.setup import NewerThanThis
    from observability.kibana.setup import KibanaRefused

    try:
        do()
    except (NewerThanThis, KibanaRefused, ApiError, TransportError, HTTPError) as problem:
        typer.echo(f"Stopped: {trust.advice(problem) or problem}", err=True)
        return False
    return True


def _elasticsearch(url: str, access: Access, retention_days: int, failure_days: int, new_key: bool) -> None:
    from observability.elastic.setup import setup as set_up
    from observability.shipper.bulk import client

    with client(url, access.api_key, bundle=settings().ca_bundle) as keyed:
        server = keyed.options(basic_auth=access.user) if access.user else keyed
        _print(set_up(server, retention_days=retention_days, failure_days=failure_days, new_key=new_key))


def _kibana(url: str, access: Access, runbooks: str, replace: bool) -> None:
    from observability import trust
    from observability.kibana.setup import setup as set_up

    verify = trust.context(settings().ca_bundle)
    _print(set_up(url, access, runbooks=runbooks, replace=replace, verify=verify))


def _print(steps: list[SetupStep]) -> None:
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
