"""What the folders allow, and the files that remember something over a restart."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator

from compose.doctor.finding import Finding
from observability import statefile
from tasks.security import folders
from tasks.settings import Settings, listening
from tasks.storage.publish_once import publish_once

GIGABYTE = 10**9
SECOND_OF_WAV = 192_000  # bytes


def sockets(current: Settings) -> Iterator[Finding]:
    """Whether parts can speak to each other."""
    try:
        folders.own(current.run_path)
        listening.try_sockets(current.run_path)
    except (OSError, folders.FolderRefused) as error:
        yield Finding("bad", str(error))
    else:
        yield Finding("ok", f"sockets in {current.run_path}")


def songs(current: Settings) -> Iterator[Finding]:
    """Whether songs can be kept."""
    folder = current.storage_path
    probe = folder / f".doctor-{secrets.token_hex(4)}.tmp"
    final = probe.with_suffix(".kept.tmp")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        publish_once(probe, final)
    except OSError as error:
        yield Finding("bad", f"songs cannot be written to {folder}: {error.strerror or error}")
        return
    finally:
        for path in (probe, final):
            with contextlib.suppress(OSError):
                path.unlink()
    free = shutil.disk_usage(folder).free
    minutes = free // (60 * SECOND_OF_WAV)
    room = f"{folder}: {free / GIGABYTE:.0f} GB free, some {minutes:,} minutes of WAV"
    yield Finding("ok" if free > 5 * GIGABYTE else "note", room)


def state(current: Settings) -> Iterator[Finding]:
    """Damaged files that were set aside, and a secret that others can read."""
    data = current.data.absolute()
    secret = data / "secret"
    if secret.exists() and secret.stat().st_mode & 0o077:
        yield Finding("bad", f"{secret} can be read by others: chmod 600")
    if not secret.exists() and current.secret is None and (data / "log/web.jsonl").exists():
        yield Finding(
            "bad",
            f"{secret} is gone, and Tutti has run here: links, sessions and whose songs are whose go by it; "
            "bring it back (`tutti restore`) before the next start makes another",
        )
    damaged = [
        path
        for folder in (data, data / "ship", current.run_path)
        if folder.is_dir()
        for path in folder.iterdir()
        if statefile.ASIDE in path.name
    ]
    for path in sorted(damaged):
        yield Finding(
            "note", f"{path} was set aside because it was damaged: is the disk well? Then delete it"
        )
    if data.is_dir() and not os.access(data, os.W_OK):
        yield Finding("bad", f"TUTTI_DATA: {data} cannot be written by this account")
