"""Group commit: one thread writes for the whole process, and one commit serves all who wait."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import sqlalchemy as sa

from tasks.ledger.sql import causes
from tasks.ledger.sql.database import Database
from tasks.ledger.sql.transaction import A, Change, R, T, Transaction, WriteAll
from tasks.ledger.values.errors import LedgerUnavailable, LedgerUncertain

BATCH_MAX = 500
PATIENCE = 10.0  # seconds for which a change waits: to begin, or amid its transaction
CHECK_SECONDS = 1.0  # how often that is checked
TRIES = 3  # PostgreSQL may pick a transaction as a deadlock's victim, or have ended an idle session


@dataclass(frozen=True, eq=False)
class _Item:
    future: Future[Any]
    change: Change[Any] | None = None
    write_all: WriteAll[Any, Any] | None = None
    asked: Sequence[Any] = ()
    since: float = field(default_factory=time.monotonic)

    @property
    def overdue(self) -> bool:
        return time.monotonic() - self.since > PATIENCE


class _GivenUp(Exception):
    """Those who asked for this transaction were refused meanwhile: it is undone."""


class Writer:
    """Runs changes in the order they come, as many as wait in one transaction.

    A future is resolved only after its commit. A change that raises undoes its whole transaction, after
    which each of the batch is tried in a transaction of its own. A change that is not about to be committed
    in time ends with LedgerUnavailable, unwritten: its transaction did not begin, for another process was
    stopped in the middle of its own, or it waits for what another holds.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], float],
        shard: int,
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._now = now
        self._shard = shard
        self._ring = ring  # says that jobs have come to wait
        self._more_wait = False
        self._waiting: deque[_Item] = deque()  # whoever takes an item from it answers for it
        self._bell: queue.SimpleQueue[bool] = queue.SimpleQueue()  # rings once an item; False: the last time
        self._since = float("inf")  # when the thread asked for a transaction, by the monotonic clock
        self._begun = False  # whether it has it
        self._open: Sequence[_Item] = ()  # what is in a transaction that may still be given up
        self._deciding = threading.Lock()  # whether the open transaction is committed or given up
        self._ended = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, change: Change[T]) -> Future[T]:
        """Write `change`; the future carries what it returns."""
        future: Future[T] = Future()
        self._put(_Item(future, change=change))
        return future

    def submit_many(self, write_all: WriteAll[A, R], asked: Sequence[A]) -> Future[list[R | Exception]]:
        """Write what is asked by one call of `write_all`, which also gets all that others ask of it now.

        The answers come in their order; what cannot be written leaves its neighbours alone.
        """
        future: Future[list[R | Exception]] = Future()
        self._put(_Item(future, write_all=write_all, asked=asked))
        return future

    def close(self) -> None:
        """Write what waits, then end the thread."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread:
            self._bell.put(False)
            thread.join()
            self._ended.set()

    @property
    def held_up(self) -> bool:
        """Whether a transaction has taken longer than changes wait: the database is held, or silent."""
        return time.monotonic() - self._since > PATIENCE

    @property
    def why_held_up(self) -> str:
        """What is the matter then, and what to do."""
        if self._begun:
            return causes.SLOW
        return causes.TAKEN if self._database.sqlite else causes.SILENT

    def _put(self, item: _Item) -> None:
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._start()
        self._waiting.append(item)
        self._bell.put(True)

    def _start(self) -> None:
        self._ended.clear()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()
        threading.Thread(target=self._give_up, name="ledger-patience", daemon=True).start()

    def _run(self) -> None:
        while self._bell.get():
            if self._waiting:
                batch: list[_Item] = []
                results = self._results(batch)
                for one, result in zip(batch, results, strict=True):
                    resolve(one.future, result)
                if self._more_wait:
                    self._more_wait = False
                    self._ring()

    def _give_up(self) -> None:
        while not self._ended.wait(CHECK_SECONDS):
            self._give_up_waiting()
            self._give_up_open()

    def _give_up_waiting(self) -> None:
        while self.held_up and self._waiting:  # more than a batch may wait
            given_up: list[_Item] = []
            self._gather(given_up)
            self._refuse(given_up, self.why_held_up)

    def _give_up_open(self) -> None:
        with self._deciding:
            if any(item.overdue for item in self._open):
                given_up, self._open = self._open, ()
                self._refuse([item for item in given_up if item.overdue], causes.SLOW)

    def _refuse(self, items: Sequence[_Item], why: str) -> None:
        for item in items:
            resolve(item.future, _refusal(item, LedgerUnavailable(why)))

    def _results(self, batch: list[_Item]) -> list[Any]:
        """What each of the batch gets, which becomes all that wait when the transaction begins.

        Where the transaction was undone, each is tried by itself; where none could begin, that holds for all.
        """
        try:
            return self._commit(batch, lambda: self._gather(batch))
        except Exception as error:
            if not batch:
                self._gather(batch)
                return [_refusal(item, error) for item in batch]
            if len(batch) == 1:
                return [self._alone(batch[0], error)]
            return [self._alone(item) for item in batch]

    def _alone(self, item: _Item, error: Exception | None = None) -> Any:
        """One item's result in a transaction of its own; `error` is what it ended with before."""
        try:
            if item.overdue:
                raise error or LedgerUnavailable(causes.SLOW)
            if error:
                raise error
            return self._commit([item])[0]
        except Exception as failure:
            if len(item.asked) > 1:
                each = [replace(item, asked=[one], future=Future()) for one in item.asked]
                return [self._alone(one)[0] for one in each]
            return _refusal(item, failure)

    def _gather(self, batch: list[_Item]) -> None:
        """Add all that wait."""
        size = sum(map(_size, batch))
        with contextlib.suppress(IndexError):  # no more wait
            while size < BATCH_MAX:
                batch.append(self._waiting.popleft())
                size += _size(batch[-1])

    def _commit(self, batch: Sequence[_Item], gather: Callable[[], None] | None = None) -> list[Any]:
        for tries_left in reversed(range(TRIES)):
            self._since = time.monotonic()
            try:
                with self._database.write() as connection:
                    self._begun = True
                    if gather:  # now, not before: others may have held the database for a while
                        gather()
                    self._open = batch
                    transaction = Transaction(connection, self._now(), self._shard)
                    results = self._apply(transaction, batch)
                    self._decide(batch)
                self._more_wait |= transaction.more_wait
                return results
            except LedgerUnavailable as error:
                if not (tries_left and _again(error)):
                    raise
            finally:
                self._open, self._begun = (), False
                self._since = float("inf")
        raise AssertionError("unreachable")

    def _decide(self, batch: Sequence[_Item]) -> None:
        """From here on the transaction is committed, however long that takes."""
        with self._deciding:
            if batch and not self._open:
                raise _GivenUp
            self._open = ()

    def _apply(self, transaction: Transaction, batch: Sequence[_Item]) -> list[Any]:
        answers = _written_together(transaction, batch)
        results = [
            item.change(transaction)
            if item.change
            else list(islice(answers[item.write_all], len(item.asked)))
            for item in batch
        ]
        transaction.flush()
        return results


def _written_together(
    transaction: Transaction, batch: Sequence[_Item]
) -> dict[WriteAll[Any, Any] | None, Iterator[Any]]:
    """The answers of each `write_all` of the batch, in the order of its items."""
    asked: dict[WriteAll[Any, Any], list[Any]] = defaultdict(list)
    for item in batch:
        if item.write_all:
            asked[item.write_all] += item.asked
    return {
        write_all: iter(write_all(transaction, every) if every else ()) for write_all, every in asked.items()
    }


def _size(item: _Item) -> int:
    return max(1, len(item.asked))


def _refusal(item: _Item, error: Exception) -> Any:
    return [error] * len(item.asked) if item.write_all else error


def _again(error: LedgerUnavailable) -> bool:
    """Whether nothing was written and the next try may do better."""
    cause = error.__cause__
    if isinstance(error, LedgerUncertain) or not isinstance(cause, sa.exc.DBAPIError):
        return False
    return causes.state_of(cause) in {"40P01", "40001"} or causes.is_gone(cause)


def resolve(future: Future[Any], result: Any) -> None:
    """Give the one who waits an answer, or the exception that it is, unless it has one."""
    if future.done() or not future.set_running_or_notify_cancel():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
