"""The secret of a whole Tutti, which signs sessions and links: from the settings, or made once and kept."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from observability import statefile
from tasks.settings import Settings
from tasks.storage.publish_once import publish_once

SECRET_BYTES = 32


def secret_of(settings: Settings) -> bytes:
    """The key that signs: TUTTI_SECRET, or one made at the first start and kept in DATA.

    One that was cut short is set aside with a message: sessions and signed links of before are void then,
    unless `tutti restore` brings it back.
    """
    if settings.secret:
        return settings.secret.get_secret_value().encode()
    path = settings.data.absolute() / "secret"
    return statefile.read(path, _whole) or _make(path)


def _make(path: Path) -> bytes:
    """Write a new secret; of two processes that start at once, both take the one that was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # of mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        publish_once(Path(name), path)
    finally:
        Path(name).unlink(missing_ok=True)
    statefile.sync_folder(path.parent)
    return _whole(path.read_bytes())


def _whole(content: bytes) -> bytes:
    """The secret, unless the file was cut short: a shorter one could be guessed."""
    if len(content) < SECRET_BYTES or not any(content):
        raise ValueError(f"it has {len(content)} bytes of {SECRET_BYTES}")
    return content
