"""Why the database cannot be used, in words that say where to look."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from typing import Final

import sqlalchemy as sa

from tasks.ledger.values.errors import LedgerUnavailable

SOON: Final = "try again soon"
DAMAGED: Final = (
    "the ledger's file is damaged and cannot be read; stop Tutti, then bring a backup back (tutti restore)"
)
CROWDED: Final = (
    "the ledger's database has as many connections as it takes; raise its max_connections or put PgBouncer "
    "before it"
)
STARTING: Final = f"the ledger's database is being started or stopped; {SOON}"
REFUSED: Final = "the ledger's database refuses the user or the password of TUTTI_LEDGER_URL"
READS_ONLY: Final = (
    f"the ledger's database can only be read: it is a standby, or a fail-over is under way; {SOON}"
)
MISSING: Final = "the database that TUTTI_LEDGER_URL names is not there; create it"
NO_ADDRESS: Final = f"no address is found for the host of TUTTI_LEDGER_URL; correct it, or {SOON}"
NOBODY: Final = f"nothing listens where TUTTI_LEDGER_URL leads; start the database, or {SOON}"
LOST: Final = f"the connection to the ledger's database was lost; {SOON}"
FULL: Final = "the disk of the ledger's database is full; free some space"
HELD: Final = f"another session holds what is to be written in the ledger; {SOON}"
TAKEN: Final = f"another process holds the ledger; {SOON}"
SLOW: Final = f"another session holds what is to be written in the ledger, or its database hangs; {SOON}"
SILENT: Final = f"the ledger's database does not answer; {SOON}"
BUSY: Final = f"all of this process's connections to the ledger are in use; {SOON}"
UNCERTAIN: Final = (
    "the ledger's database did not say whether it has written; ask again with the same Idempotency-Key"
)
UNKNOWN: Final = f"the ledger cannot be reached or written now; {SOON}"

# PostgreSQL's codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
BY_STATE: Final = {
    "25006": READS_ONLY,
    "25P03": f"this process stood still amid a change, so the database ended its session; {SOON}",
    "28000": REFUSED,
    "28P01": REFUSED,
    "3D000": MISSING,
    "42501": "the user of TUTTI_LEDGER_URL lacks rights in the ledger's database; grant them",
    "53100": FULL,
    "53300": CROWDED,
    "55P03": HELD,
    "57014": SILENT,
    "57P01": STARTING,
    "57P02": STARTING,
    "57P03": STARTING,
}
# A refused connection carries no code, nor does SQLite's error: their words have to do.
BY_WORDS: Final = (
    (r"file is not a database|disk image is malformed", DAMAGED),
    (r"database is locked", TAKEN),
    (r"disk is full|No space left", "the ledger's disk is full; free some space"),
    (r"readonly database", "the ledger's file may only be read by this account; change its rights"),
    (r"too many (clients|connections)|connection slots are reserved", CROWDED),
    (r"no more connections allowed|query_wait_timeout", CROWDED),
    (r"database system is", STARTING),
    (r"session is (not )?read-(only|write)|in hot standby mode", READS_ONLY),
    (r"password|no pg_hba.conf entry|role .* does not exist", REFUSED),
    (r"database .* does not exist", MISSING),
    (r"resolve host|Name or service not known|name resolution", NO_ADDRESS),
    (r"Connection refused|failed: No such file", NOBODY),
    (r"[Tt]imeout expired|timed out|connection timeout", SILENT),
    (r"server closed the connection|consuming input failed|connection is lost", LOST),
)
# What a session is of no more use after, though its connection may stand.
ENDED: Final = frozenset({"25006", "25P03", "57P01", "57P02", "57P03"})
UNDECIDED: Final = ("08", "57P")  # classes of errors after which a commit may have been made


def state_of(error: BaseException | None) -> str | None:
    """PostgreSQL's code of an error, where it has one."""
    code = getattr(getattr(error, "orig", error), "sqlstate", None)
    return code if isinstance(code, str) else None


def words_of(error: BaseException) -> str:
    """What is the matter, and what to do."""
    if isinstance(error, sa.exc.TimeoutError):
        return BUSY
    if said := BY_STATE.get(state_of(error) or ""):
        return said
    text = str(getattr(error, "orig", None) or error)
    return next((said for pattern, said in BY_WORDS if re.search(pattern, text)), UNKNOWN)


def is_gone(error: sa.exc.DBAPIError) -> bool:
    """Whether the session has ended, so that the next one may do better."""
    return error.connection_invalidated or state_of(error) in ENDED


def is_undecided(error: sa.exc.DBAPIError) -> bool:
    """Whether a commit that ended with this may have been made."""
    state = state_of(error)
    return state is None or state.startswith(UNDECIDED)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Say in the ledger's words that the database cannot be used."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError, sqlite3.Error, OSError) as error:
        raise LedgerUnavailable(words_of(error)) from error
