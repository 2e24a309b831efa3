"""Safeguards that a control takes out of a cell: without them the check has to fail, or it is worth nothing.

`take_out` runs in every process of the cell before anything else does; see `tests/faults/hook`.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Sequence

import sqlalchemy as sa

from tasks.ledger import Renewal
from tasks.ledger.dispatch import expiry
from tasks.ledger.dispatch.dispatch import Dispatch
from tasks.ledger.lifecycle import give_back
from tasks.ledger.sql import clock, database, sessions
from tasks.ledger.sql.schema import live, outbox
from tasks.ledger.sql.statements import given_on
from tasks.ledger.sql.transaction import Transaction
from tasks.ledger.sql.writer import Writer
from tasks.ledger.submissions import accept
from tasks.ledger.workers import claims, finishes, leases, runs
from tasks.ledger.workers.workers import Workers
from tasks.queue import application as app
from tasks.queue.publisher import BrokerUnavailable, Publisher


def take_out(names: Sequence[str]) -> None:
    """Take the safeguards of these names out of this process."""
    for name in names:
        globals()[name]()


# --- leases


def no_expiry() -> None:
    """Workers that died keep their jobs for ever, even if they come back."""
    leases.free = expiry.free = lambda *_, **__: []


def no_renewal() -> None:
    """Workers never prolong their lease, and do not hear that they lost it."""
    Workers.renew = lambda self, *_, **__: Renewal(alive=True)


def no_takeover() -> None:
    """The active dispatcher's lease does not end with it."""
    lead = Dispatch.lead
    Dispatch.lead = lambda self, name, seconds: lead(self, name, 3_600)


def own_clock() -> None:
    """Each machine goes by its own clock, not by the database's."""
    clock.DatabaseClock.__call__ = lambda self: time.time()


# --- delivery


def no_second_release() -> None:
    """What the broker lost is never released again."""
    Dispatch.unrelease_stale = lambda self, queue, after: []


def no_resend() -> None:
    """What could not be published is taken for published, and never released again."""
    publish = Publisher.publish

    def hushed(self, releases) -> None:
        with contextlib.suppress(BrokerUnavailable):
            publish(self, releases)

    Publisher.publish = hushed
    no_second_release()


def _configure(**changes) -> None:
    configuration = app.configuration
    app.configuration = lambda *chosen: configuration(*chosen) | changes


def early_acks() -> None:
    """A message is gone from the broker as soon as a worker has it."""
    _configure(task_acks_late=False)


def no_confirms() -> None:
    """A publish counts as done when it is written to the connection."""
    _configure(broker_transport_options={"confirm_publish": False})


def always_taking() -> None:
    """A worker takes messages whatever it lacks."""
    from tasks.worker.consumer import Intake

    Intake._look = lambda self, consumer: None


def no_second_node() -> None:
    """A gateway sends nothing to a second web node."""
    from nginx import gateway

    render = gateway.render
    text = "proxy_next_upstream error timeout"
    gateway.render = lambda *given, **more: re.sub(
        text + "[^;]*;", "proxy_next_upstream off;", render(*given, **more)
    )


def no_bounds() -> None:
    """PostgreSQL waits for a silent host as long as its own defaults say."""
    from tasks.ledger.sql import sessions

    for bounds in (sessions.BOUNDS, sessions.LINE):
        bounds.update(dict.fromkeys(bounds, "0"))


def one_database() -> None:
    """Of the hosts in the ledger's URL only the first is asked."""
    from tasks.settings import Settings

    whole = Settings.ledger

    def first(self):
        url = whole.fget(self)
        hosts = url.query.get("host", ())
        return url if isinstance(hosts, str) or not hosts else url.update_query_dict({"host": hosts[0]})

    Settings.ledger = property(first)


def no_timeouts() -> None:
    """A broker that says nothing is waited for, however long."""
    _configure(broker_transport_options={"queue_order_strategy": "priority"})


def no_heartbeat() -> None:
    """A RabbitMQ that says nothing is waited for, however long."""
    _configure(broker_heartbeat=0)


def any_claim() -> None:
    """Whoever hears of a job may run it, and end it, whoever else does."""
    claims._claim_on, finishes._take = _claim_anything, _take_anything
    finishes.ended_by = runs.ended_by = lambda *_: True
    runs._take_mine = sa.delete(live).where(live.c.job_id == sa.bindparam("p_job")).returning(*live.c)


def _claim_anything(dialect):
    asked = sa.select(given_on(dialect, [live.c.job_id]).c.job_id)
    claimed = (
        sa.update(live).where(live.c.job_id.in_(asked)).values(state="running", attempt=live.c.attempt + 1)
    )
    return claimed.returning(live.c.job_id, live.c.attempt)


def _take_anything(connection, runs):
    taken = sa.delete(live).where(live.c.job_id.in_([run[0] for run in runs])).returning(*live.c)
    rows = {row["job_id"]: row for row in connection.execute(taken).mappings()}
    return {run: rows[run[0]] for run in runs if run[0] in rows}


def no_marking() -> None:
    """A job that is handed back counts as released still, though its message is acknowledged."""
    requeue = give_back.requeue

    def unmarked(transaction, job, reason, *, charged, alone) -> None:
        requeue(transaction, job, reason, charged=charged, alone=alone)
        connection, now = transaction.connection, transaction.now
        connection.execute(sa.delete(outbox).where(outbox.c.job_id == job["job_id"]))
        here = live.c.job_id == job["job_id"]
        connection.execute(sa.update(live).where(here).values(released_at=now, releases=1))

    give_back.requeue = unmarked


def no_window() -> None:
    """Everything that waits goes to the broker at once."""
    from tasks.dispatch.release import Releaser

    Releaser.window = lambda self, fleet, queue: 100_000


# --- accepting


def no_keys() -> None:
    """Every submit makes a job, whatever its idempotency key."""
    accept.settle_keys = lambda connection, drafts: None


def early_answer() -> None:
    """Jobs are answered as accepted before they are committed."""
    from tasks.ledger.sql import writer

    resolve = writer.resolve

    def commit(self, batch, gather=None):
        with self._database.write() as connection:
            if gather:
                gather()
            results = self._apply(Transaction(connection, self._now(), self._shard), batch)
            for item, result in zip(batch, results, strict=True):
                resolve(item.future, result)
            time.sleep(0.2)
            return results

    Writer._commit = commit
    writer.resolve = lambda future, result: future.done() or resolve(future, result)


def no_ledger_fsync() -> None:
    """A commit is answered before it is on disk."""
    database.PRAGMAS = tuple(f"{p.split('=')[0]}=OFF" if "synchronous" in p else p for p in database.PRAGMAS)


def early_commits() -> None:
    """PostgreSQL answers a commit before it is in its log."""
    engine = sessions.engine

    def eager(*arguments) -> sa.Engine:
        made = engine(*arguments)
        sa.event.listen(made, "connect", lambda raw, _: _set_early(raw))
        return made

    sessions.engine = eager


def _set_early(raw) -> None:
    raw.execute("SET synchronous_commit = off")
    raw.commit()


# --- storage


def no_file_fsync() -> None:
    """A song is told of before its file is on disk."""
    from tasks.storage import songs as storage

    storage.os = _Os(fsync=lambda descriptor: None, posix_fadvise=lambda *_: None)  # both begin to write


class _Os:
    """The module os with some functions replaced."""

    def __init__(self, **replaced) -> None:
        self.__dict__.update(replaced)

    def __getattr__(self, name: str):
        return getattr(os, name)


def in_place() -> None:
    """Songs are written under their own name, and no room is kept."""
    from tasks.storage import songs as storage

    def publish(self, temporary, name, data, seconds, ticket):
        with contextlib.suppress(FileExistsError):
            storage._write(self.folder / name, data, ticket)
        return storage._describe(self.folder / name)

    storage.Storage._publish = publish


def no_patience() -> None:
    """A song does not wait for the storage."""
    from tasks.worker import files as keep

    keep.STORAGE_ERRORS = frozenset()


def no_class() -> None:
    """What the storage cannot do is an error like any other."""
    from tasks.jobs import ErrorClass, JobError
    from tasks.storage import songs as storage

    storage._unavailable = lambda why: JobError(ErrorClass.INTERNAL, why)


def no_mark() -> None:
    """A folder is taken for the storage whatever lies there."""
    from tasks.storage import songs as storage

    storage.Storage._room_for = lambda self, size: None


def no_bound() -> None:
    """Calls to the storage take as long as they take."""
    from tasks.storage import bounded

    bounded.Bounded.call = lambda self, function: function(bounded.Ticket())


# --- the engine


def no_mourning() -> None:
    """Nobody is told that the engine process died."""
    from tasks.worker.process import EngineProcess

    bury = EngineProcess._bury

    def silently(self) -> None:
        self._flights.clear()
        bury(self)

    EngineProcess._bury = silently


def blame_all() -> None:
    """A crash is the fault of every job that was in the engine."""
    from tasks.jobs import ErrorClass, JobError
    from tasks.worker.attempts import Attempt

    def after(self, died) -> None:
        raise JobError(ErrorClass.ENGINE_CRASH, died.detail)

    Attempt._after = after


def no_second_chance() -> None:
    """A song for which memory runs out in company fails at once."""
    from tasks.worker.scheduler import Scheduler

    out_of_memory = Scheduler._out_of_memory

    def at_once(self, place, error):
        place.alone = True
        yield from out_of_memory(self, place, error)

    Scheduler._out_of_memory = at_once
