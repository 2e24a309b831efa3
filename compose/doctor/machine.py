"""The interpreter, the settings, other programs' variables, and the engine."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from compose.doctor.finding import Finding
from tasks.settings import Settings, environment, sources


def python(_: Settings) -> Iterator[Finding]:
    """Whether this Python is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok" if sys.version_info >= (3, 11) else "bad", f"Python {version}")


def settings_file(_: Settings) -> Iterator[Finding]:
    """Which file the settings come from, and who can read it."""
    path = sources.config_file()
    if path is None:
        return
    yield Finding("ok", f"settings: {path}, and TUTTI_ variables before it")
    readable = path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    secrets = [name for name in sources.read_toml(path) if name.endswith(("secret", "key", "_url"))]
    if readable and secrets:
        yield Finding("note", f"{path} holds {', '.join(secrets)} and others can read it: chmod 600")


def surroundings(_: Settings) -> Iterator[Finding]:
    """Variables that other programs' users set and that Celery, Flower or libpq would obey."""
    left_out = sorted(name for name in environment.left_out if name.startswith(environment.OBEYED))
    if left_out:
        yield Finding(
            "note",
            f"{', '.join(left_out)} do not reach Tutti's processes, which go by TUTTI_ settings alone "
            f"({environment.PASS} lets one through)",
        )


def working_folder(_: Settings) -> Iterator[Finding]:
    """Files here that have the name of a module: `python` would read them in its place, Tutti does not."""
    ours = {"tasks", "web", "nginx", "observability", "compose"}
    here = sorted(
        path.name
        for path in Path.cwd().glob("*.py")
        if path.stem in ours or path.stem in sys.stdlib_module_names
    )
    if here:
        yield Finding(
            "note", f"{', '.join(here)} in {Path.cwd()}: Tutti does not read what has the name of a module"
        )


def uploads(_: Settings) -> Iterator[Finding]:
    """Which sounds people may bring."""
    from tasks.audio.decoder import KINDS

    if not shutil.which("ffmpeg"):
        yield Finding(
            "note", f"ffmpeg is not installed: uploads may be {KINDS} only (apt-get install ffmpeg)"
        )


def engine(current: Settings) -> Iterator[Finding]:
    """Which engine will make the music."""
    from tasks.engines import UnknownEngine, model_of
    from tasks.worker.vitals import NoSuchDevice, find_device

    try:
        name = model_of(current).name
        find_device(current)
    except (UnknownEngine, NoSuchDevice) as error:
        yield Finding("bad", str(error))
        return
    yield Finding("ok", f"engine: {name}")
    if name == "sketch" and shutil.which("nvidia-smi"):
        yield Finding(
            "note",
            "an NVIDIA GPU is here, but ACE-Step is not installed (make run) "
            f"or its model is missing (.venv/bin/hf download {current.model})",
        )
