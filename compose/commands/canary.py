"""`tutti canary`: send a share of the clients to another version of the model."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Annotated

import typer

from compose.machine.terminal import plain
from tasks.settings import settings

if TYPE_CHECKING:
    from tasks.ledger import Canary, Ledger, Sample

group = typer.Typer(help="Send a share of the clients to another version of the model.", no_args_is_help=True)
app = typer.Typer()
app.add_typer(group, name="canary")


def _ledger() -> Ledger:
    from tasks.ledger import Ledger

    return Ledger.of(settings())


@group.command("set")
def begin(
    version: Annotated[
        str, typer.Argument(help="The version, as its workers' queue <model>@<version> has it.")
    ],
    share: Annotated[str, typer.Argument(help="Share of the clients, such as 10%.")],
) -> None:
    """Begin a canary or change its share; it holds within seconds, without a restart."""
    with _ledger() as ledger:
        canary = ledger.canaries.set(_version(version), _percent(share))
    typer.echo(f"{canary.percent:g} % of the clients go to {canary.version}, if workers of it live.")
    typer.echo("It stops by itself when it fails more often or is slower than the stable lane.")


@group.command()
def stop() -> None:
    """Send everyone to the stable lane; workers of the canary's version get no more jobs."""
    with _ledger() as ledger:
        ledger.canaries.stop("stopped by hand")
    typer.echo("The canary is stopped.")


@group.command()
def promote() -> None:
    """End the canary: its version counts as stable from now on. Do this when all workers have it."""
    with _ledger() as ledger:
        ledger.canaries.set("", 0.0)
    typer.echo("There is no canary now; the version most workers have is the stable one.")


@group.command()
def status() -> None:
    """Say how the canary does beside the stable lane."""
    with _ledger() as ledger:
        canary = ledger.canaries.get()
        if canary is None or not canary.version:
            typer.echo("There is no canary. Begin one: tutti canary set v2 10%")
            return
        typer.echo(_described(canary))
        for lane in ("stable", "canary"):
            typer.echo(f"{lane}: {_figures(ledger.canaries.sample(lane, canary.since))}")


def _described(canary: Canary) -> str:
    since = dt.datetime.fromtimestamp(canary.since, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    if canary.stopped_at is not None:
        return f"{plain(canary.version)} (since {since}) is stopped: {plain(canary.reason or '')}"
    return f"{plain(canary.version)} gets {canary.percent:g} % of the clients since {since}"


def _figures(sample: Sample) -> str:
    times = sorted(sample.times)
    pace = f", {times[len(times) // 2]:.3g} s of compute a second of audio (median)" if times else ""
    return f"{sample.jobs} jobs ended, {sample.failed} failed by a fault of ours{pace}"


def _version(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", text):
        raise typer.BadParameter("a version is made of letters, digits, dots, hyphens and underscores")
    return text


def _percent(text: str) -> float:
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,2})?)\s*%?", text)
    if match is None or not 0 <= float(match[1]) <= 100:
        raise typer.BadParameter("a share is a number from 0 to 100 with at most two decimals, such as 10%")
    return float(match[1])
