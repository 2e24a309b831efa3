"""`tutti backup` and `tutti restore`: one archive of everything kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tasks.settings import settings

app = typer.Typer()


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="The archive: a folder of its own, on another disk.")],
) -> None:
    """Copy the ledger, the secret, songs, uploads and adapters, while Tutti runs.

    Into the same folder again it copies only what is new; after an interruption it goes on. The archive holds
    the secret, so keep it as one.
    """
    from compose.backup import Archive, ArchiveError, save
    from tasks.ledger import LedgerError

    try:
        made = save(settings(), Archive(folder), _progress)
    except (ArchiveError, LedgerError, OSError) as error:
        typer.echo(f"No backup was made: {error}", err=True)
        raise typer.Exit(1) from None
    counts = ", ".join(f"{len(files):,} {kind}" for kind, files in made.files.items())
    typer.echo(f"{folder}: the ledger, the secret, {counts}, as of {made.made_at}")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="What `tutti backup` made.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Set the ledger and the secret aside that are there.")
    ] = False,
) -> None:
    """Put everything back where the settings say, while Tutti does not run there."""
    from compose.backup import Archive, ArchiveError
    from compose.backup import restore as put_back
    from compose.machine.local import AlreadyRunning, sole_owner
    from tasks.ledger import LedgerError
    from tasks.security.folders import FolderRefused, claim

    chosen = settings()
    try:
        claim(chosen)
        with sole_owner(chosen):
            done = put_back(chosen, Archive(folder), replace=replace, progress=_progress)
    except AlreadyRunning:
        typer.echo(f"Tutti runs on {chosen.data.absolute()}; stop it first.", err=True)
        raise typer.Exit(1) from None
    except (ArchiveError, FolderRefused) as error:
        typer.echo(f"Not restored: {error}", err=True)
        raise typer.Exit(1) from None
    except (LedgerError, OSError) as error:
        typer.echo(f"The restore did not end: {error}. Say it again; it goes on from there.", err=True)
        raise typer.Exit(1) from None
    for note in done.notes:
        typer.echo(note, err=True)
    counts = ", ".join(f"{len(files):,} {kind}" for kind, files in done.manifest.files.items())
    typer.echo(f"Restored the ledger, the secret, {counts}, as of {done.manifest.made_at}")
    typer.echo(f"{done.written:,} files were written; the others were there already.")


def _progress(kind: str, done: int, all_: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{kind}: {done:,} of {all_:,}{'' if done < all_ else chr(10)}")
        sys.stderr.flush()
