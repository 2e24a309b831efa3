"""Calls that are made at about the same time become one change: a few statements for all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Generic

from tasks.ledger.sql.transaction import A, R, Transaction, WriteAll
from tasks.ledger.sql.writer import Writer

LINGER = 0.01  # seconds that a call waits for others where many are made: one commit serves ten as well


class GroupedCalls(Generic[A, R]):
    """Gathers calls while the writer is busy with what came before, and a little longer where they are many.

    A call is answered after the commit of its change, not sooner. A change that fails is made again for each
    of its calls by itself, so that one that cannot be written leaves its neighbours alone.
    """

    def __init__(self, writer: Writer, write_all: WriteAll[A, R]) -> None:
        self._writer = writer
        self._write_all = write_all
        self._gathering: _Group[A, R] | None = None
        self._busy = False
        self._lock = threading.Lock()

    def ask(self, asked: A) -> R:
        """Write what is asked, together with what others ask now.

        Raises:
            LedgerUnavailable: Nothing was written; and whatever else the writing of this very call raises.
        """
        answer: Future[R] = Future()
        with self._lock:
            group, first = self._gathering or _Group(self._write_all), self._gathering is None
            group.calls.append((asked, answer))
            self._gathering = group
        if first:
            if self._busy:
                time.sleep(LINGER)
            self._send(group)
        return answer.result()

    def _send(self, group: _Group[A, R]) -> None:
        def change(transaction: Transaction) -> Sequence[R]:
            self._close(group)
            return group.write(transaction)

        self._writer.submit(change).add_done_callback(lambda done: self._answer(group, done))

    def _close(self, group: _Group[A, R]) -> None:
        """Whoever comes from now on begins another group."""
        with self._lock:
            if self._gathering is group:
                self._gathering, self._busy = None, len(group.calls) > 1

    def _answer(self, group: _Group[A, R], done: Future[Sequence[R]]) -> None:
        self._close(group)  # where the transaction could not even begin
        error = done.exception()
        if error is None:
            for (_, answer), result in zip(group.calls, done.result(), strict=True):
                answer.set_result(result)
        elif len(group.calls) == 1:
            group.calls[0][1].set_exception(error)
        else:
            for call in group.calls:
                self._send(_Group(self._write_all, [call]))


class _Group(Generic[A, R]):
    """Calls that are written together."""

    def __init__(self, write_all: WriteAll[A, R], calls: Sequence[tuple[A, Future[R]]] = ()) -> None:
        self._write_all = write_all
        self.calls = list(calls)

    def write(self, transaction: Transaction) -> Sequence[R]:
        return self._write_all(transaction, [asked for asked, _ in self.calls])
