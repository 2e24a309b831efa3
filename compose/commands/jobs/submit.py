"""`tutti submit`: ask a server for a song, or for all songs of a file."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compose.commands.jobs import batch
from compose.commands.jobs.connection import AsJson, Exit, Key, Server, asking, code_of, complain
from compose.commands.jobs.follow import follow
from tasks.jobs import AudioFormat, Priority, TaskType

if TYPE_CHECKING:
    from tutti_client import Accepted, AsyncTutti

app = typer.Typer()
AT_ONCE = 4  # requests on their way; the server's rate limit holds the rest back


@app.command()
def submit(
    prompt: Annotated[str | None, typer.Argument(help="What the music should be.")] = None,
    batch_file: Annotated[
        Path | None,
        typer.Option("--batch", metavar="FILE", help="Many songs: JSON lines, or .csv with field names."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Wait, and fetch the songs into this folder or file."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, without fetching.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to wait at most.")] = None,
    lyrics: Annotated[Path | None, typer.Option(help="A text file with words to sing.")] = None,
    duration: Annotated[float | None, typer.Option(help="Length in seconds.")] = None,
    bpm: Annotated[int | None, typer.Option(help="Beats a minute.")] = None,
    key_scale: Annotated[str | None, typer.Option(help="Such as 'A minor'.")] = None,
    time_signature: Annotated[str | None, typer.Option(help="2/4, 3/4, 4/4 or 6/8.")] = None,
    vocal_language: Annotated[str | None, typer.Option(help="ISO 639 code, such as en.")] = None,
    task: Annotated[TaskType | None, typer.Option(help="What to do with --source.")] = None,
    source: Annotated[Path | None, typer.Option(help="Audio to work on; it is uploaded.")] = None,
    reference: Annotated[Path | None, typer.Option(help="Audio whose timbre to follow.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same song.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    variations: Annotated[int | None, typer.Option(help="How many songs of it.")] = None,
    audio_format: Annotated[AudioFormat | None, typer.Option("--format")] = None,
    priority: Annotated[Priority | None, typer.Option()] = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", metavar="NAME=VALUE", help="Any other field of a job.")
    ] = None,
    once: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Sent again with the same name, nothing is made a second time."),
    ] = None,
    server: Server = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Ask a server for music. It prints the job's id, or with -o or --wait what came of it."""
    if (prompt is None) == (batch_file is None):
        raise typer.BadParameter("give a prompt, or a file with --batch")
    given: dict[str, Any] = {
        "prompt": prompt, "duration": duration, "bpm": bpm, "key_scale": key_scale, "steps": steps,
        "time_signature": time_signature, "vocal_language": vocal_language, "task_type": task, "seed": seed,
        "source_file": source and source.absolute(), "reference_file": reference and reference.absolute(),
        "variations": variations, "format": audio_format, "priority": priority, "lyrics": _text(lyrics),
    }  # fmt: skip
    rows = _rows(batch_file, {name: value for name, value in given.items() if value is not None}, field)
    if output is not None and output.suffix and not output.is_dir() and len(rows) > 1:
        raise typer.BadParameter("several jobs need a folder, not one file", param_hint="--output")

    async def work(tutti: AsyncTutti) -> Exit:
        accepted, code = await _send(tutti, rows, once, as_json=as_json)
        if output is None and not wait:
            for one in accepted:
                typer.echo(one.model_dump_json() if as_json else one.id)
            return code
        job_ids = [one.id for one in accepted]
        ends = await follow(tutti, job_ids, save_to=output, seconds=timeout, as_json=as_json)
        return max(code, ends)

    asking(server, key, work, as_json=as_json)


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"cannot read the lyrics: {error}", param_hint="--lyrics") from None


def _rows(file: Path | None, given: Mapping[str, Any], field: Sequence[str] | None) -> list[batch.Row]:
    more = {}
    for text in field or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"{text!r} has to be NAME=VALUE", param_hint="--field")
        more[name.strip()] = batch.typed(name.strip(), value)
    fields = {**given, **more}
    if file is not None and fields:
        raise typer.BadParameter(f"a batch's lines say {', '.join(fields)} themselves; leave it out here")
    try:
        return batch.read(file) if file is not None else [batch.row_of(1, fields)]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


async def _send(
    tutti: AsyncTutti, rows: Sequence[batch.Row], once: str | None, *, as_json: bool
) -> tuple[list[Accepted], Exit]:
    """Submit all, a few at once; those accepted in their order, and the worst of what went wrong."""
    from tutti_client import TuttiError

    turn = asyncio.Semaphore(AT_ONCE)
    codes: list[Exit] = []

    async def send(row: batch.Row) -> Accepted | None:
        async with turn:
            try:
                uploads = {name: (await tutti.upload(path)).id for name, path in row.files.items()}
                fields = {**row.fields, **uploads}
                return await tutti.submit_fields(fields, idempotency_key=_once(once, row))
            except TuttiError as error:
                complain(error, as_json=as_json, about=f"line {row.line}" if len(rows) > 1 else "")
                codes.append(code_of(error))
                return None

    answers = await asyncio.gather(*(send(row) for row in rows))
    return [one for one in answers if one is not None], max(codes, default=Exit.DONE)


def _once(name: str | None, row: batch.Row) -> str | None:
    """The idempotency key of a line: its name may hold anything, a key may not."""
    if name is None:
        return None
    return f"once-{hashlib.sha256(f'{name}:{row.line}'.encode()).hexdigest()}"
