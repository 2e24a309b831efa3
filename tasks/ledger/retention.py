"""What is old goes: songs, and the records of jobs with all that was written about them; the counters stay.

A record goes when its job ended before a certain time, no song of it is kept, and nobody waits to hear of its
end. So a song that can be shared always has its record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from tasks.jobs import AudioFormat
from tasks.ledger.sql.schema import (
    BYGONE,
    callbacks,
    counters,
    idempotency,
    jobs,
    songs,
    transitions,
    usage,
    usage_shards,
    worker_pace,
)
from tasks.ledger.sql.statements import as_rows, given
from tasks.ledger.sql.store import Store, writes
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.submissions.idempotency import free_keys

DAY = 86_400.0
SUFFIXES = (*get_args(AudioFormat), "mid")  # a song may have been converted on demand


@dataclass(frozen=True)
class Old:
    """A job whose audio may go, with the names of all files it can have."""

    job_id: str
    names: list[str]


class Retention:
    """Deletes in small groups, each a short transaction of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def expire_songs(
        self, delete: Callable[[Sequence[str]], object], older_than: float, limit: int = 100
    ) -> int:
        """Delete audio last used `older_than` seconds ago or more; the number of jobs comes back.

        Args:
            delete: Deletes files by name; it may raise, and is then called again with the same the next time.
            older_than: Age in seconds.
            limit: At most so many jobs, the oldest first.
        """
        chosen = self._choose(self._store.now() - older_than, limit)
        if chosen:
            delete([name for job in chosen for name in job.names])
            self._note_expired([job.job_id for job in chosen])
        return len(chosen)

    @writes
    def _choose(self, transaction: Transaction, before: float, limit: int) -> list[Old]:
        """The jobs with the longest unused audio; from now on nobody is given it any more."""
        connection = transaction.connection
        kept = jobs.c.outputs.isnot(None) & jobs.c.expired_at.is_(None) & jobs.c.cache_of.is_(None)
        oldest = sa.select(jobs.c.id, jobs.c.outputs).where(kept, jobs.c.used_at <= before)
        rows = connection.execute(oldest.order_by(jobs.c.used_at).limit(limit)).all()
        chosen = [Old(job_id, _names(outputs)) for job_id, outputs in rows]
        connection.execute(sa.delete(songs).where(songs.c.job_id.in_([job.job_id for job in chosen])))
        return chosen

    @writes
    def _note_expired(self, transaction: Transaction, job_ids: Sequence[str]) -> None:
        """Their files are deleted: say so of them and of all that shared them."""
        connection = transaction.connection
        theirs = jobs.c.id.in_(job_ids) | jobs.c.cache_of.in_(job_ids)
        ended = sa.update(jobs).where(theirs).values(expired_at=transaction.now).returning(jobs.c.id)
        free_keys(connection, list(connection.scalars(ended)))

    def prune(self, before: float, limit: int = 50) -> int:
        """Delete the records of at most `limit` jobs that ended before a time; how many comes back."""
        with self._store.database.read() as connection:
            chosen = [job_id for (job_id,) in connection.execute(bygone(before, limit))]
        if chosen:
            self._delete_records(chosen)
        return len(chosen)

    @writes
    def _delete_records(self, transaction: Transaction, job_ids: Sequence[str]) -> None:
        """By one statement a table, so that the transaction is short."""
        connection = transaction.connection
        parameter = {"given": as_rows([[job_id] for job_id in job_ids])}
        asked = sa.select(given(connection, [jobs.c.id]).c.id)
        for column in (transitions.c.job_id, idempotency.c.job_id, jobs.c.id):
            connection.execute(sa.delete(column.table).where(column.in_(asked)), parameter)

    @writes
    def prune_sums(self, transaction: Transaction, before: float) -> None:
        """Forget what owners used on days before a time, and how fast workers were that did no job since.

        The last pace of a queue stays.
        """
        connection, day = transaction.connection, int(before // DAY)
        for table in (usage_shards, usage):
            connection.execute(sa.delete(table).where(table.c.day < day))
        newer = worker_pace.alias()
        is_newer = (newer.c.queue == worker_pace.c.queue) & (newer.c.learned_at > worker_pace.c.learned_at)
        old = sa.delete(worker_pace).where(worker_pace.c.learned_at < before, sa.exists().where(is_newer))
        connection.execute(old)

    def fold_counters(self) -> None:
        """Add the counters of all writers up, so that those who left leave no rows behind.

        A server does it by one statement, that no cut of this process can leave half done; a row that its
        writer is changing just now is left for the next time. A file has one shard only.
        """
        database = self._store.database
        if not database.sqlite:
            with database.at_once() as connection:
                connection.execute(_FOLD)


def _fold() -> sa.Executable:
    theirs = sa.select(counters.c.name, counters.c.shard).where(counters.c.shard != FOLDED)
    free = theirs.order_by(counters.c.name, counters.c.shard).with_for_update(skip_locked=True)
    key = sa.tuple_(counters.c.name, counters.c.shard)
    gone = sa.delete(counters).where(key.in_(free)).returning(counters.c.name, counters.c.value).cte("gone")
    sums = sa.select(gone.c.name, sa.literal(FOLDED), sa.func.sum(gone.c.value)).group_by(gone.c.name)
    statement = postgresql.insert(counters).from_select(["name", "shard", "value"], sums)
    added = {"value": counters.c.value + statement.excluded.value}
    return statement.on_conflict_do_update(index_elements=["name", "shard"], set_=added)


FOLDED = 0
_FOLD = _fold()


def bygone(before: float, limit: int) -> sa.Select[Any]:
    """The ids of the jobs whose record may go, the oldest first."""
    owed = sa.exists().where(callbacks.c.job_id == jobs.c.id)
    old = sa.select(jobs.c.id).where(BYGONE, jobs.c.finished_at <= before, ~owed)
    return old.order_by(jobs.c.finished_at).limit(limit)


def _names(outputs: str) -> list[str]:
    stems = {output["name"].rsplit(".", 1)[0] for output in json.loads(outputs)}
    return [f"{stem}.{suffix}" for stem in sorted(stems) for suffix in SUFFIXES]
