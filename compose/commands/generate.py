"""`tutti generate`: one song without any server."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Annotated, get_args

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tasks.engines.engine import Audio, Engine, Song
from tasks.engines.engine import Progress as Report
from tasks.jobs import SEED_MAX, AudioFormat, JobRequest
from tasks.settings import settings
from web.request import words

app = typer.Typer()


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="What the music should be, in English or Chinese.")],
    output: Annotated[Path, typer.Option("-o", "--output", help=".wav, .flac, .mp3 or .opus")] = Path(
        "song.wav"
    ),
    midi: Annotated[Path | None, typer.Option(help="Write a sketch's score here, as MIDI.")] = None,
    duration: Annotated[float, typer.Option(help="Length in seconds, 5 to 600.")] = 60.0,
    bpm: Annotated[int | None, typer.Option(help="Beats a minute.")] = None,
    key: Annotated[str | None, typer.Option(help="Such as 'A minor'.")] = None,
    time_signature: Annotated[str | None, typer.Option(help="2/4, 3/4, 4/4 or 6/8.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same song.")] = None,
    lyrics: Annotated[
        Path | None, typer.Option(help="A text file; tags such as [verse] set the form.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps (acestep).")] = None,
) -> None:
    """Make one song here, without any server."""
    fields = {
        "prompt": prompt, "duration": duration, "bpm": bpm, "key_scale": key,
        "time_signature": time_signature, "lyrics": _read(lyrics), "steps": steps,
        "format": _format_of(output),
        "seed": secrets.randbelow(SEED_MAX) if seed is None else seed,
    }  # fmt: skip
    try:
        request = JobRequest.model_validate(fields)
    except ValidationError as error:
        wrong = words.of_fields(error)
        raise typer.BadParameter("; ".join(f"{name} {what}" for name, what in wrong.items())) from None
    _writable(output, midi)
    song = Song(job_id="local", variation=1, seed=request.seed or 0, request=request)
    started = time.perf_counter()
    audio = _make(song)
    _write(audio, output, midi, request)
    took = time.perf_counter() - started
    typer.echo(f"{output}: {request.duration:g} s of music in {took:.1f} s, seed {request.seed}")


def _read(lyrics: Path | None) -> str:
    if lyrics is None:
        return ""
    try:
        return lyrics.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot read the lyrics: {error}") from None


def _format_of(output: Path) -> str:
    ending = output.suffix.lstrip(".").lower()
    if ending not in get_args(AudioFormat):
        raise typer.BadParameter(f"{output}: the name has to end in .wav, .flac, .mp3 or .opus")
    return ending


def _writable(*paths: Path | None) -> None:
    """Say so before the work rather than after it."""
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise typer.BadParameter(f"{path}: the folder {path.absolute().parent} does not exist")


def _make(song: Song) -> Audio:
    from tasks.engines import load_engine

    engine = load_engine(settings())
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("loading the engine", total=1.0)
        engine.load()
        return _run(engine, song, lambda share, stage: bar.update(task, completed=share, description=stage))


def _run(engine: Engine, song: Song, report: Report) -> Audio:
    state = engine.admit(song)
    while not state.done:
        engine.step([state])
        report(state.progress, getattr(state, "stage", "") or "making music")
    audio = engine.decode(state)
    engine.unload()
    return audio


def _write(audio: Audio, output: Path, midi: Path | None, request: JobRequest) -> None:
    from tasks.audio.encoding import encode

    partial = output.with_name(f".{output.name}.tmp")
    encode(audio.samples, audio.sample_rate, partial, request.format)
    partial.replace(output)
    if midi is not None:
        if audio.midi is None:
            raise typer.BadParameter("this engine writes no score; leave --midi out")
        midi.write_bytes(audio.midi)
