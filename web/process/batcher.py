"""Questions of many requests, asked together: one hop to another thread and one transaction for all of them.

What comes while the event loop goes round once goes as one batch; while enough batches are under way, what
comes waits and makes the next one larger. So a busy server pays less for each, and an idle one waits for
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")
Batch = list[tuple[Q, "asyncio.Future[A]"]]
Answers = Future[list[A | Exception]] | Future[Sequence[A]]

BATCH_MAX = 500


class Batcher(Generic[Q, A]):
    """Gathers questions and hands the answers out; it belongs to one event loop.

    Args:
        ask: Takes many questions; the future carries their answers in order, an exception where one failed.
        at_once: Batches that may be under way.
    """

    def __init__(self, ask: Callable[[Sequence[Q]], Answers[A]], at_once: int) -> None:
        self._ask, self._free = ask, at_once
        self._waiting: Batch[Q, A] = []
        self._called = False

    async def ask(self, question: Q) -> A:
        """The answer to one question.

        Raises:
            Exception: What the question, or its whole batch, ended with.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, answer))
        self._call(loop)
        return await answer

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and self._free and not self._called:
            self._called = True
            loop.call_soon(self._send, loop)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
        self._free, self._called = self._free - 1, False
        future = self._ask([question for question, _ in batch])
        future.add_done_callback(lambda done: loop.call_soon_threadsafe(self._hand_out, loop, batch, done))

    def _hand_out(self, loop: asyncio.AbstractEventLoop, batch: Batch[Q, A], done: Answers[A]) -> None:
        self._free += 1
        self._call(loop)
        failure = done.exception()
        results: Sequence[A | BaseException] = [failure] * len(batch) if failure else done.result()
        for (_, answer), result in zip(batch, results, strict=True):
            if answer.done():
                continue  # who asked has gone
            if isinstance(result, BaseException):
                answer.set_exception(result)
            else:
                answer.set_result(result)
