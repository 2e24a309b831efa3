"""`tutti up`: everything on this machine, together."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compose.machine import parts
from compose.machine.supervise import Say, StartFailed, Supervisor
from compose.machine.terminal import plain, print_line
from tasks.engines import UnknownEngine, model_of, resolve
from tasks.ledger import LedgerUnavailable, whole
from tasks.security.folders import FolderRefused, claim
from tasks.settings import Settings, listening

COLOURS = (36, 33, 32, 35, 34, 31, 96)  # ANSI, one a part


class CannotStart(Exception):
    """The settings do not fit this machine. The text says what to change."""


class AlreadyRunning(Exception):
    """Another `tutti up` uses this data folder."""


@contextmanager
def sole_owner(settings: Settings) -> Iterator[None]:
    """Hold the data folder: two supervisors on one ledger would run two of each part.

    Raises:
        AlreadyRunning: Another process holds it.
    """
    with (settings.run_path / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"Tutti runs already on {settings.data.absolute()}. "
                "A second copy needs its own folder and port: TUTTI_DATA=var2 TUTTI_PORT=8001 make run"
            ) from None
        yield


def is_running(settings: Settings) -> bool:
    """Whether a `tutti up` holds the data folder."""
    try:
        with sole_owner(settings):
            return False
    except AlreadyRunning:
        return True
    except OSError:
        return False


def prepare(settings: Settings) -> None:
    """Make the folders that the parts expect."""
    for folder in (settings.data, settings.storage_path, settings.log_path):
        folder.mkdir(parents=True, exist_ok=True)
    for stale in settings.run_path.glob("*.sock"):
        stale.unlink(missing_ok=True)


def up(settings: Settings) -> int:
    """Run every part until SIGINT or SIGTERM; the answer is the exit code."""
    try:
        claim(settings)
        with sole_owner(settings):
            look_ahead(settings)
            whole.bring_up_to_date(settings.ledger)
            prepare(settings)
            return asyncio.run(_run(settings))
    except (AlreadyRunning, CannotStart, FolderRefused, UnknownEngine, LedgerUnavailable, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


def look_ahead(settings: Settings) -> None:
    """Find what would make a part die again and again, before any is started.

    Raises:
        CannotStart: Settings do not fit this machine; the text says which.
        CannotListen: Ports or sockets cannot be had.
    """
    parts.try_ports(settings)
    listening.try_sockets(settings.run_path)
    model_of(settings)
    for name in ("tls_certificate", "tls_key"):
        path = getattr(settings, name)
        if path is not None and not os.access(path, os.R_OK):
            raise CannotStart(f"TUTTI_{name.upper()}: {path} cannot be read")
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise CannotStart("HTTPS needs both TUTTI_TLS_CERTIFICATE and TUTTI_TLS_KEY")


async def _run(settings: Settings) -> int:
    chosen = parts.parts(settings)
    say = _speaker([part.name for part in chosen])
    supervisor = Supervisor(chosen, say=say, grace=settings.drain_seconds + 5)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    starting = asyncio.create_task(supervisor.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            _welcome(settings, say)
            await stopping
        say("tutti", "stopping ...")
    except StartFailed as error:
        say("tutti", str(error))
        return 1
    finally:
        starting.cancel()
        await supervisor.stop()
    say("tutti", "stopped")
    return 0


def _speaker(names: list[str]) -> Say:
    """Prints each part's lines behind its name, in its colour on a terminal."""
    width = max(map(len, names))
    colours = (
        dict(zip(names, COLOURS, strict=False))
        if sys.stdout.isatty() and "NO_COLOR" not in os.environ
        else {}
    )

    def say(name: str, line: str) -> None:
        label = f"{name:>{width}} |"
        label = f"\033[{colours[name]}m{label}\033[0m" if name in colours else label
        print_line(f"{label} {plain(line.expandtabs())}")

    return say


def _welcome(settings: Settings, say: Say) -> None:
    front = _front(settings)
    for line in (
        f"Tutti is ready: {settings.base_url}",
        f"engine: {resolve(settings)} · in front: {front} · queue: {settings.base_url}/flower/",
        f"songs: {_short(settings.storage_path)} · logs: {_short(settings.log_path)} · Ctrl-C stops all",
    ):
        say("tutti", line)


def _front(settings: Settings) -> str:
    if parts.behind_nginx(settings):
        return "nginx"
    why = "TUTTI_GATEWAY=off" if settings.gateway == "off" else "nginx is not installed"
    return f"the web app itself ({why})"


def _short(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
