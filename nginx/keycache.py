"""The folder where nginx remembers answers about keys: in memory, for one account, and gone with its gateway.

nginx can only name an answer by the key itself, so the folder must not touch a disk, nor outlive a gateway
that was killed: each holds a lock beside its folder, and the next gateway removes what nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import time
from pathlib import Path
from typing import IO

MEMORY = Path("/dev/shm")  # noqa: S108 - it is used because it is memory, with folders of mode 0700
TRIES = 20  # of a tenth of a second: another gateway may only be looking whether the folder is in use


def cache_folder(run_path: Path) -> Path | None:
    """Name the folder of the gateway that runs in `run_path`; None where there is no such memory."""
    if not (sys.platform == "linux" and os.access(MEMORY, os.W_OK)):
        return None
    name = hashlib.sha256(os.fsencode(run_path)).hexdigest()[:16]
    return MEMORY / f"{_prefix()}{name}"


def _prefix() -> str:
    return f"tutti-{os.getuid()}-"


def hold(folder: Path) -> IO[str] | None:
    """Make the folder anew and hold it until the answer is closed or this process ends, however it ends.

    Returns:
        The lock, or None where another gateway holds the folder.
    """
    for _ in range(TRIES):
        if lock := _locked(folder.with_suffix(".lock")):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            return lock
        time.sleep(0.1)
    return None


def clear() -> None:
    """Remove the folders that nobody holds."""
    for path in MEMORY.glob(f"{_prefix()}*.lock"):
        with contextlib.suppress(OSError):
            if lock := _locked(path):
                with lock:
                    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                    path.unlink()


def _locked(path: Path) -> IO[str] | None:
    """Lock a file, made where it is missing; None while another process has it."""
    while True:
        lock = path.open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        except BlockingIOError:
            lock.close()
            return None
        except FileNotFoundError:
            pass
        lock.close()  # it was removed between opening and locking it
