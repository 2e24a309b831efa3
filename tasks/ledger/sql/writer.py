"""Group commit: one thread writes for the whole process, and one commit serves all who wait."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from tasks.ledger.errors import LedgerUnavailable
from tasks.ledger.records import Accepted, NewJob
from tasks.ledger.sql import history
from tasks.ledger.sql.database import Database

T = TypeVar("T")
Change = Callable[[sa.Connection, float], T]
"""What one caller wants written: called with the transaction and the time."""
AcceptAll = Callable[[sa.Connection, float, Sequence[NewJob]], list[Any]]
"""Writes many new jobs at once; the answers, or refusals, come in their order."""

BATCH_MAX = 500
TRIES = 3  # PostgreSQL may pick a transaction as a deadlock's victim


@dataclass(frozen=True)
class _Item:
    future: Future[Any]
    change: Change[Any] | None = None
    new: Sequence[NewJob] = ()


class Writer:
    """Runs changes in the order they come, as many as wait in one transaction.

    A future is resolved only after its commit. A change that raises undoes its whole transaction, after
    which each of the batch is tried in a transaction of its own.
    """

    def __init__(self, database: Database, now: Callable[[], float], accept_all: AcceptAll) -> None:
        self._database = database
        self._now = now
        self._accept_all = accept_all
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, change: Change[T]) -> Future[T]:
        """Write `change`; the future carries what it returns."""
        future: Future[T] = Future()
        self._put(_Item(future, change=change))
        return future

    def accept(self, new: Sequence[NewJob]) -> Future[list[Accepted | Exception]]:
        """Accept jobs, together with all others that wait; the answers come in their order."""
        future: Future[list[Accepted | Exception]] = Future()
        self._put(_Item(future, new=new))
        return future

    def close(self) -> None:
        """Write what waits, then end the thread."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread:
            self._queue.put(None)
            thread.join()

    def _put(self, item: _Item) -> None:
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
                    self._thread.start()
        self._queue.put(item)

    def _run(self) -> None:
        ended = False
        while not ended and (item := self._queue.get()) is not None:
            batch = [item]
            results, ended = self._results(batch)
            for one, result in zip(batch, results, strict=True):
                resolve(one.future, result)

    def _results(self, batch: list[_Item]) -> tuple[list[Any], bool]:
        """What each of the batch gets, which grows by all that wait; and whether the end is among them.

        Where the transaction was undone, each is tried by itself.
        """
        ended = False

        def gather() -> None:
            nonlocal ended
            ended = self._gather(batch) or ended

        try:
            return self._commit(batch, gather), ended
        except Exception as error:
            if len(batch) == 1:
                return [self._alone(batch[0], error)], ended
            return [self._alone(item) for item in batch], ended

    def _alone(self, item: _Item, error: Exception | None = None) -> Any:
        """One item's result in a transaction of its own; `error` is what it ended with before."""
        try:
            if error:
                raise error
            return self._commit([item])[0]
        except Exception as failure:
            if len(item.new) > 1:
                return [self._alone(_Item(item.future, new=[one]))[0] for one in item.new]
            return [failure] if item.new else failure

    def _gather(self, batch: list[_Item]) -> bool:
        """Add all that wait; whether the end is among them."""
        size = sum(map(_size, batch))
        while size < BATCH_MAX:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return True
            batch.append(item)
            size += _size(item)
        return False

    def _commit(self, batch: Sequence[_Item], gather: Callable[[], None] | None = None) -> list[Any]:
        for tries_left in reversed(range(TRIES)):
            try:
                with self._database.write() as connection:
                    if gather:  # now, not before: others may have held the database for a while
                        gather()
                    return self._apply(connection, batch)
            except LedgerUnavailable as error:
                if not (tries_left and _deadlock(error)):
                    raise
        raise AssertionError("unreachable")

    def _apply(self, connection: sa.Connection, batch: Sequence[_Item]) -> list[Any]:
        now = self._now()
        history.forget(connection)  # of a transaction that was undone
        new = [one for item in batch for one in item.new]
        accepted = iter(self._accept_all(connection, now, new) if new else [])
        results = [
            item.change(connection, now) if item.change else list(islice(accepted, len(item.new)))
            for item in batch
        ]
        history.flush(connection)
        return results


def _size(item: _Item) -> int:
    return max(1, len(item.new))


def _deadlock(error: LedgerUnavailable) -> bool:
    state = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None)
    return state in {"40P01", "40001"}


def resolve(future: Future[Any], result: Any) -> None:
    """Give the one who waits an answer, or the exception that it is."""
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
