"""Calls that may hang for ever, such as those to a NAS that went away, with an end.

A thread in a system call cannot be stopped. So the call runs in a thread of its own, the caller waits only so
long, and a call that was given up learns of it at its next `Ticket.check` or `Ticket.commit`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

STUCK_MAX = 32  # threads that may be stuck at once; more callers wait for one of them to come back


class GivenUp(Exception):
    """Raised inside a call whose caller waits no more."""


class Ticket:
    """Either the caller gives up or the call passes its point of no return: never both."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up = False
        self._committed = False

    def check(self) -> None:
        """End this call if nobody waits for it any more.

        Raises:
            GivenUp: The caller has turned away.
        """
        if self._given_up:
            raise GivenUp

    def commit(self) -> None:
        """Pass the point of no return: from here on the call's effect is kept.

        Raises:
            GivenUp: The caller has turned away before.
        """
        with self._lock:
            self.check()
            self._committed = True

    def give_up(self) -> bool:
        """Turn away. False: too late, what the call does may still happen."""
        with self._lock:
            self._given_up = not self._committed
            return self._given_up


class Bounded:
    """Runs calls in threads of their own, at most `stuck_max` of which may hang at a time."""

    def __init__(self, seconds: float, *, stuck_max: int = STUCK_MAX) -> None:
        self.seconds = seconds
        self._slots = threading.BoundedSemaphore(stuck_max)

    def call(self, function: Callable[[Ticket], T]) -> T:
        """Run `function` and wait for it.

        Raises:
            TimeoutError: It did not end within `seconds`, or too many calls hang already.
        """
        if not self._slots.acquire(timeout=self.seconds):
            raise TimeoutError(f"{STUCK_MAX} calls before this one hang")
        ticket, outcome = Ticket(), Future[T]()
        # A daemon: a process can end though the NAS never answers.
        threading.Thread(target=self._run, args=(function, ticket, outcome), daemon=True).start()
        try:
            return outcome.result(timeout=self.seconds)
        except TimeoutError:
            ticket.give_up()
            raise

    def _run(self, function: Callable[[Ticket], T], ticket: Ticket, outcome: Future[T]) -> None:
        try:
            outcome.set_result(function(ticket))
        except BaseException as error:
            outcome.set_exception(error)
        finally:
            self._slots.release()
