"""A process that was stopped in the middle of writing to a ledger."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator

from tasks.ledger.sql import sessions
from tests.servers.parent import bound

WRITE = """
import sys
from tasks.ledger.sql.database import Database
with Database(sys.argv[1]).write():
    print("begun", flush=True)
    sys.stdin.read()
"""

# The change is made by the ledger's own code, all of it, and only then does the process fall silent.
AMID = """
import sys
from tasks.ledger import Ledger
from tasks.ledger.sql import sessions
from tasks.ledger.sql.writer import Writer
from tests.servers.changes import CHANGES, LEASE
sessions.BOUNDS["idle_in_transaction_session_timeout"] = sys.argv[2]
ledger = Ledger(sys.argv[1], lease_seconds=LEASE)
if sys.argv[5]:
    ledger._store.writer._shard = int(sys.argv[5])
work = CHANGES[sys.argv[3]].prepared(ledger, sys.argv[4])
apply = Writer._apply
def applied(*arguments):
    results = apply(*arguments)
    print("begun", flush=True)
    sys.stdin.read()
    return results
Writer._apply = applied
work()
"""


@contextlib.contextmanager
def held(url: str) -> Iterator[None]:
    """Hold the ledger until the end of the block, where that process is killed."""
    with _stopped(WRITE, url):
        yield


@contextlib.contextmanager
def stopped_amid(
    change: str, url: str, *, ended_after: str = f"{sessions.IDLE_SECONDS}s", shard: int | None = None
) -> Iterator[None]:
    """A host that was stopped after all of a change's statements and before its commit.

    Args:
        change: One of `tests.servers.changes.CHANGES`.
        url: The ledger's.
        ended_after: The bound after which the server ends its session.
        shard: The rows of sums that it writes; default: its own.
    """
    with _stopped(AMID, url, ended_after, change, "silent", "" if shard is None else str(shard)):
        yield


@contextlib.contextmanager
def _stopped(code: str, *argv: str) -> Iterator[None]:
    command = bound([sys.executable, "-c", code, *argv])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"begun\n"
            process.send_signal(signal.SIGSTOP)
            yield
        finally:
            process.kill()
