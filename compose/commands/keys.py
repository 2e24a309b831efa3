"""`tutti keys`: make, list and revoke API keys."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from compose.machine.terminal import plain
from tasks.security.keys import SCOPES, ApiKey, scopes_of
from tasks.settings import settings

if TYPE_CHECKING:
    from tasks.ledger import Ledger

group = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
app = typer.Typer()
app.add_typer(group, name="keys")


def _ledger() -> Ledger:
    from tasks.ledger import Ledger

    return Ledger.of(settings())


@group.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[list[str] | None, typer.Option(help=f"What it may do: {', '.join(SCOPES)}.")] = None,
    jobs_a_day: Annotated[int | None, typer.Option(min=1, help="Jobs a day (UTC).")] = None,
    seconds_a_day: Annotated[float | None, typer.Option(min=1, help="Seconds of audio a day (UTC).")] = None,
    concurrent: Annotated[int | None, typer.Option(min=1, help="Unfinished jobs at once.")] = None,
    days: Annotated[float | None, typer.Option(min=0, help="How long it holds; for ever without.")] = None,
) -> None:
    """Make a key and print it. It is shown this once; only its hash is kept."""
    from tasks.ledger import Quota

    quota = Quota(concurrent=concurrent, jobs_a_day=jobs_a_day, seconds_a_day=seconds_a_day)
    try:
        scopes = scopes_of(scope or ["jobs"])
        with _ledger() as ledger:
            _, token = ledger.keys.add(name, scopes, quota, days=days)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(token)
    typer.echo("Keep it now: it cannot be shown again. Send it as 'Authorization: Bearer ...'.", err=True)


@group.command("list")
def show() -> None:
    """List all keys, without their secrets."""
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "name", "may", "jobs/day", "s/day", "at once", "made", "state")
    with _ledger() as ledger:
        keys = ledger.keys.all()
    for key in keys:
        quota = key.quota
        bounds = (quota.jobs_a_day, quota.seconds_a_day, quota.concurrent)
        words = ("-" if bound is None else f"{bound:g}" for bound in bounds)
        table.add_row(
            key.id, plain(key.name), " ".join(sorted(key.scopes)), *words, _day(key.created_at), _state(key)
        )
    Console(markup=False).print(table)


@group.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id, as `tutti keys list` shows it.")],
) -> None:
    """End a key. It is refused everywhere within 30 seconds."""
    from tasks.ledger import UnknownKey

    try:
        with _ledger() as ledger:
            key = ledger.keys.revoke(key_id)
    except UnknownKey as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{key.id} ({plain(key.name)}) is revoked; it is refused everywhere within 30 seconds.")


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    if not key.valid(dt.datetime.now(dt.UTC).timestamp()):
        return "expired"
    return f"until {_day(key.expires_at)}" if key.expires_at else "good"


def _day(moment: float) -> str:
    return dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y-%m-%d")
