"""The secret of a whole Tutti, which signs sessions and links: from the settings, or made once and kept."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from tasks.settings import Settings

SECRET_BYTES = 32


def secret_of(settings: Settings) -> bytes:
    """The key that signs: TUTTI_SECRET, or one made at the first start and kept in DATA."""
    if settings.secret:
        return settings.secret.get_secret_value().encode()
    path = settings.data.absolute() / "secret"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return _make(path)


def _make(path: Path) -> bytes:
    """Write a new secret; of two processes that start at once, both take the one that was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # of mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        Path(path).hardlink_to(name)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()
    return path.read_bytes()
