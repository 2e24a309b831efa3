"""nginx's lines on standard output, which it cannot open itself where that is a socket or another account's.

It writes them into a named pipe of the run folder, and the gateway passes them on, whole lines at a time.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Final

from observability import metrics

STANDARD_OUTPUT: Final = 1
CHUNK: Final = 65_536  # as much as Linux keeps in a pipe


def begin(pipe: Path, target: int = STANDARD_OUTPUT) -> None:
    """Make the pipe anew and pass on what comes out of it, for the life of this process.

    Raises:
        OSError: The pipe cannot be made.
    """
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    source = os.open(pipe, os.O_RDWR | os.O_CLOEXEC)  # a writer of our own: nginx may come and go
    threading.Thread(target=_pass_on, args=(source, target), name="nginx lines", daemon=True).start()


def _pass_on(source: int, target: int) -> None:
    rest = b""
    while True:
        whole, newline, rest = (rest + os.read(source, CHUNK)).rpartition(b"\n")
        if newline:
            _write(target, whole + newline)


def _write(target: int, lines: bytes) -> None:
    with contextlib.suppress(OSError):
        while lines:
            lines = lines[os.write(target, lines) :]
        return
    metrics.log_dropped.inc()
