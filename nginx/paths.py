"""Names of files as nginx can read them: a folder such as `take #1 $x` gets a plain name by a link."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tasks.settings import Settings, places


@dataclass(frozen=True)
class Paths:
    """Where nginx finds what is named by settings; all are plain.

    Attributes:
        logs: Folder of the lines.
        lines: Where nginx writes them: a file of that folder, or the pipe to standard output.
        errors: Where its error log goes, as a file or "stderr".
        songs: Folder of the finished audio.
        certificate: PEM chain, or None.
        key: Its private key, or None.
    """

    logs: Path
    lines: Path
    errors: Path | str
    songs: Path
    certificate: Path | None
    key: Path | None


def paths(settings: Settings) -> Paths:
    """Name them; `link` makes those names that are ours."""
    certificate, key = settings.tls_certificate, settings.tls_key
    logs, to_files = _plain(settings, "logs", settings.log_path), settings.log_to == "files"
    return Paths(
        logs=logs,
        lines=logs / "nginx.jsonl" if to_files else settings.run_path / "nginx" / "lines",
        errors=logs / "nginx-error.log" if to_files else "stderr",
        songs=_plain(settings, "songs", settings.storage_path),
        certificate=_plain(settings, "certificate.pem", certificate.absolute()) if certificate else None,
        key=_plain(settings, "key.pem", key.absolute()) if key else None,
    )


def _plain(settings: Settings, name: str, path: Path) -> Path:
    return path if places.PLAIN.match(str(path)) else settings.run_path / "nginx" / name


def link(settings: Settings) -> None:
    """Make the links that `paths` names.

    Raises:
        OSError: The folder cannot be written.
    """
    found = paths(settings)
    wanted = (
        (found.logs, settings.log_path),
        (found.songs, settings.storage_path),
        (found.certificate, settings.tls_certificate),
        (found.key, settings.tls_key),
    )
    for name, target in wanted:
        if name is None or target is None or name == target.absolute():
            continue
        fresh = name.with_name(f".{name.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target.absolute())
        fresh.replace(name)
