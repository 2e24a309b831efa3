"""The ledger: the durable record of every job and worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import sqlalchemy as sa

from tasks.ledger.adapters import Adapters
from tasks.ledger.callbacks import Callbacks
from tasks.ledger.canaries import Canaries
from tasks.ledger.dispatch.dispatch import Dispatch
from tasks.ledger.ends import Ends
from tasks.ledger.keys import Keys
from tasks.ledger.parts import Parts
from tasks.ledger.retention import Retention
from tasks.ledger.sql.database import CONNECTIONS
from tasks.ledger.sql.store import Store
from tasks.ledger.submissions.submissions import Submissions
from tasks.ledger.uploads import UploadRecords
from tasks.ledger.views.views import Views
from tasks.ledger.web_nodes import WebNodes
from tasks.ledger.webhooks import Webhooks
from tasks.ledger.workers.workers import Workers
from tasks.settings import Settings


class Ledger:
    """One database and one thread that writes to it; a part for each who uses it. Safe from many threads.

    Args:
        url: Of a SQLite file or a PostgreSQL database.
        max_queued: Jobs that may wait; more are refused with LedgerFull.
        max_attempts: Runs a job may lose before it fails.
        lease_seconds: A worker silent for so long is taken for dead.
        clock: Unix seconds; default: the database server's time.
        connections: To a database server at most; of one, reading and writing take turns.
        migrating: Whether its tables are brought up to date; else they have to be.

    Raises:
        LedgerUnavailable: The database cannot be reached or written.
        LedgerUnmigrated: Its tables are older than this Tutti's, and may not be changed here.
    """

    def __init__(
        self,
        url: str | sa.URL,
        *,
        max_queued: int = 100_000,
        max_attempts: int = 3,
        lease_seconds: float = 10.0,
        clock: Callable[[], float] | None = None,
        connections: int = CONNECTIONS,
        migrating: bool = True,
    ) -> None:
        self._store = store = Store(url, clock, connections, migrating=migrating)
        self.submissions = Submissions(store, max_queued)
        self.workers = Workers(store, lease_seconds, max_attempts)
        self.dispatch = Dispatch(store, max_attempts)
        self.views = Views(store)
        self.ends = Ends(store)
        self.callbacks = Callbacks(store)
        self.uploads = UploadRecords(store)
        self.retention = Retention(store)
        self.keys = Keys(store)
        self.canaries = Canaries(store)
        self.web_nodes = WebNodes(store)
        self.parts = Parts(store)
        self.adapters = Adapters(store)
        self.webhooks = Webhooks(store)

    @classmethod
    def of(cls, settings: Settings, connections: int = CONNECTIONS) -> Self:
        """Open the ledger that these settings name.

        A file is of this machine alone and is migrated here. A server's is shared with other machines, whose
        Tutti may be older: there `tutti migrate` alone does that.
        """
        return cls(
            settings.ledger,
            max_queued=settings.max_queued,
            max_attempts=settings.max_attempts,
            lease_seconds=settings.lease_seconds,
            connections=connections,
            migrating=settings.ledger.get_backend_name() == "sqlite",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, and let go of the database."""
        self._store.close()

    def now(self) -> float:
        """The time that all processes of this ledger agree on, Unix seconds."""
        return self._store.now()

    @property
    def held_up(self) -> bool:
        """Whether the database is held by another session, or hangs: nothing can be written now."""
        return self._store.writer.held_up

    @property
    def why_held_up(self) -> str:
        """What is the matter then, and what to do."""
        return self._store.writer.why_held_up
