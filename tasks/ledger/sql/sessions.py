"""Sessions with PostgreSQL, bounded by us and not by the server's defaults.

A host that is cut off, stopped or without power holds what it had locked until the server ends its session:
by default after two hours. Here it takes seconds, whoever is silent: the server is told when to end a session
of ours, and a call that the server never answers is cut off on this side.

Behind PgBouncer in transaction mode a session is the server's for one transaction only. So its bounds go with
each transaction there, and nothing is prepared.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from tasks.ledger.sql.causes import ENDED, state_of

# In this order: who waits for a session that fell silent sees it end before its own wait does, and a
# statement ends before the people who wait for it are refused (`writer.PATIENCE`).
IDLE_SECONDS: Final = 4  # in a transaction, without a statement
LOCK_SECONDS: Final = 6
STATEMENT_SECONDS: Final = 9
OVERDUE_SECONDS: Final = 15.0  # then the connection is cut here: the server, or what is between, is silent
CHECK_SECONDS: Final = 1.0

BOUNDS: Final = {
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    "jit": "off",  # compiling our statements takes longer than running them: 15 ms of a job's 21
    "lock_timeout": f"{LOCK_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
}
UNHURRIED: Final = {  # for migrations and whole copies
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "60s",
    "statement_timeout": "0",
}
LINE: Final = {  # a peer without power is noticed after so long, by the server
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
ASKED: Final = {  # the same by this side; and for each host that a URL names so long to take a connection
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "fallback_application_name": "tutti",
}
SEVERAL_HOSTS: Final = {"target_session_attrs": "read-write"}


def engine(url: sa.URL, connections: int, watch: Watch) -> sa.Engine:
    """A pool of at most so many sessions; each commits by itself what no BEGIN came before."""
    made = sa.create_engine(
        url,
        connect_args=_asked(url),
        isolation_level="AUTOCOMMIT",
        use_native_hstore=False,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=STATEMENT_SECONDS,
        pool_use_lifo=True,
    )
    sa.event.listen(made, "connect", _prepare)
    sa.event.listen(made, "checkout", watch.begin)
    sa.event.listen(made, "checkin", watch.end)
    sa.event.listen(made, "close", watch.forget)
    sa.event.listen(made, "handle_error", _note_ended)
    return made


def begin(connection: sa.Connection, statement: str = "BEGIN", *, hurried: bool = True) -> None:
    """Begin a transaction, with its bounds where the session has none, by one message."""
    if not hurried:
        statement += f"; {_set(UNHURRIED, local=True)}"
    elif is_pooled(connection):
        statement += f"; {_set(BOUNDS, local=True)}"
    say(connection, statement)


def end(connection: sa.Connection) -> None:
    """Undo what the transaction has done, if anything; a session that has ended has done so itself."""
    with contextlib.suppress(sa.exc.SQLAlchemyError):
        say(connection, "ROLLBACK")


def say(connection: sa.Connection, statement: str) -> None:
    """Send text as it is; it may be several statements."""
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def is_pooled(connection: sa.Connection) -> bool:
    """Whether something between hands the server's sessions out, so that nothing said in one is kept."""
    return bool(connection.info.get("pooled"))


def _asked(url: sa.URL) -> dict[str, Any]:
    hosts = url.query.get("host", ())
    several = not isinstance(hosts, str) and len(hosts) > 1
    wanted = ASKED | (SEVERAL_HOSTS if several else {})
    return {name: value for name, value in wanted.items() if name not in url.query}


def _set(values: Mapping[str, str], *, local: bool) -> str:
    each = (f"set_config('{name}', '{value}', {str(local).lower()})" for name, value in values.items())
    return f"SELECT {', '.join(each)}"


def _prepare(connection: Any, record: ConnectionPoolEntry) -> None:
    """Bound a new session, or note that it is a pooler's.

    A pooler cannot know which process of the server will serve, so what it says of that is not true.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()", prepare=False)
        record.info["pooled"] = cursor.fetchone()[0] != connection.info.backend_pid
        if record.info["pooled"]:
            connection.prepare_threshold = None
        else:
            cursor.execute(_set(BOUNDS | LINE, local=False), prepare=False)
    connection.commit()


def _note_ended(context: ExceptionContext) -> None:
    """A server that became a standby, or ended this session: the next connection may lead to another."""
    if state_of(context.original_exception) in ENDED:
        context.is_disconnect = True


class Watch:
    """Cuts the connection of a call that the server has not answered for long, from a thread of its own."""

    def __init__(self, seconds: float = OVERDUE_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._since: dict[socket.socket, float] = {}  # the lines of the sessions in use
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, connection: Any, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        """A session is used from now on; one that the server has ended meanwhile is not."""
        line = record.info.get("line")
        if line is None:  # a copy: what this thread closes cannot be another's by then
            line = record.info["line"] = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            self._since[line] = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ledger-watch", daemon=True)
                self._thread.start()
        if _has_news(connection.fileno()):
            try:
                connection.execute("SELECT 1", prepare=False)
            except Exception as error:
                raise sa.exc.DisconnectionError from error

    def end(self, _: Any, record: ConnectionPoolEntry) -> None:
        """A session was given back."""
        self._leave(record.info.get("line"))

    def forget(self, connection: Any, record: ConnectionPoolEntry) -> None:
        """A session has ended."""
        self.end(connection, record)
        if line := record.info.pop("line", None):
            line.close()

    def leave(self, connection: sa.Connection) -> None:
        """This call may take as long as it will."""
        self._leave(connection.info.get("line"))

    def _leave(self, line: socket.socket | None) -> None:
        with self._lock:
            if line is not None:
                self._since.pop(line, None)

    def close(self) -> None:
        """Watch no more."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(CHECK_SECONDS):
            with self._lock:
                before = time.monotonic() - self._seconds
                for line, since in self._since.items():
                    if since < before:
                        with contextlib.suppress(OSError):
                            line.shutdown(socket.SHUT_RDWR)


def _has_news(descriptor: int) -> bool:
    """Whether the server said something unasked: as a rule that it has ended this session."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
