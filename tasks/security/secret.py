"""The secret of a whole Tutti, which signs sessions and links: from the settings, or made once and kept."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from observability import statefile
from tasks.settings import Settings

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
    lock = os.open(path.with_name(".secret.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            statefile.write(path, secrets.token_bytes(SECRET_BYTES), mode=0o600)
    finally:
        os.close(lock)
    return _whole(path.read_bytes())


def _whole(content: bytes) -> bytes:
    """The secret, unless the file was cut short: a shorter one could be guessed."""
    if len(content) < SECRET_BYTES or not any(content):
        raise ValueError(f"it has {len(content)} bytes of {SECRET_BYTES}")
    return content
