"""Files that remember something over a restart: written whole or not at all, and told when they are damaged.

Every state file of Tutti goes through here, so that a full disk or a power cut leaves the last good one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ASIDE = ".damaged-"  # stands in the name of a file that could not be read any more


def write(path: Path, content: bytes, *, mode: int = 0o640) -> None:
    """Replace a file: after this, and after a power cut, it is the old one or this one, on disk.

    Raises:
        OSError: It cannot be written; the old one is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        _write(temporary, content, mode)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def _write(path: Path, content: bytes, mode: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        left = memoryview(content)
        while left:  # a disk that is nearly full takes a part and says so only at the next write
            left = left[os.write(file, left) :]
        os.fsync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Have a folder's names on disk, where its file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: Path, parse: Callable[[bytes], T]) -> T | None:
    """What a file says; None where there is none, or where it was damaged and is set aside with a message.

    Args:
        path: The file.
        parse: Reads its content; raises ValueError, LookupError or TypeError where that is not what is due.

    Raises:
        OSError: The file is there and cannot be read, as on a disk that fails: it may be whole.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return parse(content)
    except (ValueError, TypeError, LookupError) as error:
        set_aside(path, f"its content cannot be read ({type(error).__name__}: {error})")
        return None


def set_aside(path: Path, why: str) -> Path | None:
    """Rename a file that is of no use any more, and say so; its new name, or None where it has gone."""
    target = path.with_name(f"{path.name}{ASIDE}{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(2)}")
    try:
        path.rename(target)
    except FileNotFoundError:
        return None
    message = f"{path} is damaged: {why}; it was renamed to {target.name}, and a new one is begun"
    sys.stderr.write(f"{message}\n")
    from observability.logging import get_logger  # every process that logs imports this module

    get_logger().warning("state.damaged", event={"outcome": "failure"}, message=message)
    return target
