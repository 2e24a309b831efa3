"""`tutti model`: which ACE-Step is here, what can be fetched, and whether it arrived whole."""

from __future__ import annotations

import importlib.util
from typing import Annotated, NoReturn

import typer

from tasks.settings import settings

group = typer.Typer(help="List, fetch and check ACE-Step's checkpoints.", no_args_is_help=True)
app = typer.Typer()
app.add_typer(group, name="model")

GIGABYTE = 10**9


@group.command("list")
def show() -> None:
    """Say which checkpoint TUTTI_MODEL names, whether it is here, and which others there are."""
    from tasks.engines.models import ModelMissing, find, recognise
    from tasks.engines.models.hub import OFFERS
    from tasks.engines.models.layouts import cached_folder

    model = settings().model
    try:
        found = find(model)
    except ModelMissing as missing:
        typer.echo(f"TUTTI_MODEL={model}: {missing}")
    else:
        variant = recognise(found.name, found.config())
        typer.echo(f"TUTTI_MODEL={model}: {variant.label} ({found.layout} layout, {found.folder})")
    typer.echo("")
    for offer in OFFERS:
        here = "here" if cached_folder(offer.model) is not None else ""
        typer.echo(f"{offer.name:<17} {offer.model:<34} {here:<5} {offer.about}")


@group.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name of `tutti model list`, or a hub id.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Fetch without asking.")] = False,
) -> None:
    """Fetch a checkpoint into the hub's cache; an interrupted fetch goes on where it was."""
    from tasks.engines.models import hub

    _need_hub()
    try:
        offer = hub.offer_of(name or settings().model)
    except ValueError as error:
        _fail(str(error))
    try:
        size = hub.size_of(offer)
    except Exception as error:
        _fail(f"the hub does not answer for {offer.model} ({type(error).__name__}); try again")
    missing = size.total - size.here
    typer.echo(f"{offer.name}: {size.total / GIGABYTE:.1f} GB, {missing / GIGABYTE:.1f} of them to fetch")
    if missing > (free := hub.room()):
        _fail(f"only {free / GIGABYTE:.1f} GB are free; make room, or set HF_HOME to another disk")
    if missing and not yes and not typer.confirm("Fetch it?", default=True):
        raise typer.Exit(1)
    folder = hub.fetch(offer)
    typer.echo(f"It is in {folder}. Serve it with TUTTI_MODEL={offer.model}")


@group.command()
def check(
    model: Annotated[str, typer.Argument(help="A folder, a file or a hub id; default: TUTTI_MODEL.")] = "",
) -> None:
    """Hold a checkpoint's files against their hashes, or their lengths where no hash is known."""
    from tasks.engines.models import ModelMissing, find
    from tasks.engines.models.hub import check as check_files

    try:
        found = find(model or settings().model)
    except ModelMissing as missing:
        _fail(str(missing))
    wrong = 0
    for file, fault in check_files(found):
        typer.echo(f"{'bad' if fault else 'ok':<4} {file.name}{f': {fault}' if fault else ''}")
        wrong += fault is not None
    raise typer.Exit(int(wrong > 0))


def _need_hub() -> None:
    if importlib.util.find_spec("huggingface_hub") is None:
        _fail("the extra `acestep` is not installed; run `make run` on a machine with an NVIDIA GPU")


def _fail(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(1)
