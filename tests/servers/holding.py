"""A process that was stopped in the middle of writing to a ledger."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator

from tests.servers.parent import bound

WRITE = """
import sys
from tasks.ledger.sql.database import Database
with Database(sys.argv[1]).write():
    print("begun", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held(url: str) -> Iterator[None]:
    """Hold the ledger until the end of the block, where that process is killed."""
    command = bound([sys.executable, "-c", WRITE, url])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"begun\n"
            process.send_signal(signal.SIGSTOP)
            yield
        finally:
            process.kill()
