"""The folder where nginx remembers answers about keys: in memory, for one account, and gone with its gateway.

nginx can only name an answer by the key itself, so the folder must not touch a disk, nor outlive a gateway
that was killed. Every account of the machine may write beside it: so each has a name that nobody can guess
before it is there, is held by a lock on itself, and the next gateway removes those that are ours and nobody
holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Collection
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - it is used because it is memory, with folders of mode 0700
NAME = "keys-folder"  # the file in nginx's own folder that says which one is ours


class Held(Exception):
    """Another gateway runs with this folder."""


class KeyCache:
    """One gateway's folder, from its making until `close` or the end of this process, however it ends.

    Args:
        prefix: nginx's own folder, which is private.

    Raises:
        Held: Another gateway has it.
    """

    def __init__(self, prefix: Path) -> None:
        self._gateway = os.open(prefix / "gateway.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._gateway, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._gateway)
            raise Held from None
        self.folder = MEMORY / f"{_prefix()}{secrets.token_hex(16)}"
        self.folder.mkdir(mode=0o700)
        self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        (prefix / NAME).write_text(str(self.folder))

    def close(self) -> None:
        """Let go of it; `clear` removes it then."""
        os.close(self._lock)
        os.close(self._gateway)


def possible() -> bool:
    """Whether this machine has such memory."""
    return sys.platform == "linux" and os.access(MEMORY, os.W_OK)


def cache_folder(run_path: Path) -> Path | None:
    """The folder of the gateway that runs, or ran, in `run_path`; None where there is none."""
    try:
        return Path((run_path / "nginx" / NAME).read_text())
    except FileNotFoundError:
        return None


def clear(owners: Collection[int] = ()) -> None:
    """Remove the folders that nobody holds.

    Args:
        owners: Accounts whose folders are ours as well: nginx gives its own to its workers.
    """
    ours = {os.geteuid(), *owners}
    for path in MEMORY.glob(f"{_prefix()}*"):
        with contextlib.suppress(OSError):
            _remove_free(path, ours)


def _prefix() -> str:
    return f"tutti-{os.getuid()}-"


def _remove_free(path: Path, ours: Collection[int]) -> None:
    if not stat.S_ISDIR(path.lstat().st_mode):
        return
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(folder).st_uid in ours:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path)
    finally:
        os.close(folder)
